package config

import (
	"strconv"

	"go.yaml.in/yaml/v3"
)

// NodeInfo says whether and how exactly the sizes of communities are published.
type NodeInfo struct {
	Enabled bool
	// Minimum is the smallest number that is published.
	Minimum int
	// RoundTo is what published numbers are multiples of.
	RoundTo int
}

// defaultNodeInfo publishes nothing, and when turned on no number in which one
// person could be noticed.
func defaultNodeInfo() NodeInfo { return NodeInfo{Minimum: 50, RoundTo: 10} }

// mostRounding is far above any community.
const mostRounding = 1_000_000_000

// nodeInfo reads whether and how exactly sizes are published.
func (d *document) nodeInfo(n *yaml.Node, i *NodeInfo) {
	values := d.mapping(n, "nodeinfo", "enabled", "minimum", "round_to")
	for _, key := range keys(values) {
		switch n := values[key]; key {
		case "enabled":
			i.Enabled = d.truth(n, key)
		case "minimum":
			i.Minimum = d.count(n, key)
		case "round_to":
			i.RoundTo = d.count(n, key)
		}
	}
}

// count reads a number of users.
func (d *document) count(n *yaml.Node, key string) int {
	count, err := strconv.Atoi(d.text(n, key))
	if err != nil || count < 1 || count > mostRounding {
		d.problem(n, "%s: want a number from 1 to %d", key, mostRounding)
	}
	return count
}

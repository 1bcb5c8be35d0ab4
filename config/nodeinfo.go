package config

import (
	"go.yaml.in/yaml/v3"

	"active_users_exporter/config/document"
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

// nodeInfo reads whether and how exactly sizes are published.
func (f *file) nodeInfo(n *yaml.Node, i *NodeInfo) {
	values := f.Mapping(n, "nodeinfo", "enabled", "minimum", "round_to")
	for _, key := range document.Keys(values) {
		switch n := values[key]; key {
		case "enabled":
			i.Enabled = f.Bool(n, key)
		case "minimum":
			i.Minimum = f.Count(n, key)
		case "round_to":
			i.RoundTo = f.Count(n, key)
		}
	}
}

package config

import (
	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/activity"
)

// clients reads the rules for classes of clients, which go before Synapse's.
func (d *document) clients(n *yaml.Node) *activity.Classes {
	var rules []activity.Rule
	for _, item := range d.list(n, "clients") {
		values := d.mapping(item, "a client", "name", "any", "all")
		if values["name"] == nil {
			d.problem(item, "a client needs a name, and pieces of user agents under any or all")
			continue
		}
		rule := activity.Rule{
			Name: d.text(values["name"], "name"),
			Any:  d.needles(values["any"], "any"),
			All:  d.needles(values["all"], "all"),
		}
		if _, err := activity.NewClasses([]activity.Rule{rule}); err != nil {
			d.problem(item, "%s", err)
			continue
		}
		rules = append(rules, rule)
	}
	classes, err := activity.NewClasses(rules)
	if err != nil {
		d.problem(n, "clients: %s", err)
	}
	return classes
}

// needles are the pieces of user agents to look for.
func (d *document) needles(n *yaml.Node, key string) (all []string) {
	if n == nil {
		return nil
	}
	for _, item := range d.list(n, key) {
		all = append(all, d.text(item, key))
	}
	return all
}

package config

import (
	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/activity"
)

// clients reads the rules for classes of clients, which go before Synapse's.
func (f *file) clients(n *yaml.Node) *activity.Classes {
	var rules []activity.Rule
	for _, item := range f.List(n, "clients") {
		values := f.Mapping(item, "a client", "name", "any", "all")
		if values["name"] == nil {
			f.Problem(item, "a client needs a name, and pieces of user agents under any or all")
			continue
		}
		rule := activity.Rule{
			Name: f.Text(values["name"], "name"),
			Any:  f.needles(values["any"], "any"),
			All:  f.needles(values["all"], "all"),
		}
		if _, err := activity.NewClasses([]activity.Rule{rule}); err != nil {
			f.Problem(item, "%s", err)
			continue
		}
		rules = append(rules, rule)
	}
	classes, err := activity.NewClasses(rules)
	if err != nil {
		f.Problem(n, "clients: %s", err)
	}
	return classes
}

// needles are the pieces of user agents to look for.
func (f *file) needles(n *yaml.Node, key string) (all []string) {
	if n == nil {
		return nil
	}
	for _, item := range f.List(n, key) {
		all = append(all, f.Text(item, key))
	}
	return all
}

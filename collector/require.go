package collector

import (
	"slices"
	"strings"
)

// Require marks the required modules, and adds those that are absent. They are
// named "name", to be loaded anywhere, or "domain/name".
func Require(modules []Module, required []string) []Module {
	for _, wanted := range required {
		domain, name, onDomain := strings.Cut(wanted, "/")
		if !onDomain {
			domain, name = AllDomains, wanted
		}
		found := false
		for i := range modules {
			m := &modules[i]
			if m.Loaded && m.Name == name && (!onDomain || m.Domain == domain) {
				m.Required, found = true, true
			}
		}
		absent := Module{Domain: domain, Name: name, Required: true}
		if !found && !slices.Contains(modules, absent) {
			modules = append(modules, absent)
		}
	}
	return modules
}

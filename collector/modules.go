package collector

import (
	"slices"
	"strings"
)

// A Module is one module of a chat server on one domain.
type Module struct {
	Domain string // a virtual host or component, AllDomains for a global module
	Name   string
	Status ModuleStatus
	// Loaded is false for a module that is required but absent; it then has
	// no Status.
	Loaded bool
	// Required says that the operator asked to watch this module.
	Required bool
}

// AllDomains is the domain of modules that belong to the server as a whole, as
// Prosody's mod_http_status writes it.
const AllDomains = "*"

// ModuleStatus is Prosody's scale of module states (module:set_status in
// core/moduleapi.lua, since 0.12).
type ModuleStatus int

// The states of a module, with the values that mod_measure_modules gave them.
const (
	ModuleCore  ModuleStatus = 0 // loaded, nothing to say
	ModuleInfo  ModuleStatus = 1
	ModuleWarn  ModuleStatus = 2
	ModuleError ModuleStatus = 3
)

// Trouble says in a few words what is wrong with the module, "" if nothing is.
func (m Module) Trouble() string {
	switch {
	case m.Required && !m.Loaded:
		return "required but not loaded"
	case m.Loaded && m.Status == ModuleWarn:
		return "warning"
	case m.Loaded && m.Status >= ModuleError:
		return "error"
	}
	return ""
}

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

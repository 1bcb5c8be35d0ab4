package collector

import (
	"cmp"
	"slices"
	"strings"
	"time"
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

// A ModuleChange says that a module was seen in another state than before.
type ModuleChange struct {
	At           time.Time // of the refresh that noticed it
	Domain, Name string
	From, To     string // see Module.State
}

// State says in a few words how the module is: what its trouble is, "ok", or
// "not loaded".
func (m Module) State() string {
	if trouble := m.Trouble(); trouble != "" {
		return trouble
	}
	if !m.Loaded {
		return "not loaded"
	}
	return "ok"
}

const (
	// changesKept is how long changes of modules are kept, mostChanges how many.
	changesKept = 14 * 24 * time.Hour
	mostChanges = 200
)

// noteModules takes over the changes of modules that an earlier snapshot knows, and
// adds those since then.
func (s *Snapshot) noteModules(earlier *Snapshot, now time.Time) {
	if earlier == nil || earlier.ModulesAt.IsZero() || s.ModulesAt.IsZero() {
		return
	}
	for _, c := range earlier.ModuleChanges {
		if now.Sub(c.At) <= changesKept {
			s.ModuleChanges = append(s.ModuleChanges, c)
		}
	}
	before := statesOf(earlier.Modules)
	for key, state := range statesOf(s.Modules) {
		if before[key] == "" {
			before[key] = "not loaded"
		}
		if before[key] != state {
			s.ModuleChanges = append(s.ModuleChanges, ModuleChange{now, key[0], key[1], before[key], state})
		}
		delete(before, key)
	}
	for key, state := range before { // gone
		if state != "not loaded" {
			s.ModuleChanges = append(s.ModuleChanges, ModuleChange{now, key[0], key[1], state, "not loaded"})
		}
	}
	slices.SortStableFunc(s.ModuleChanges, func(a, b ModuleChange) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Domain, b.Domain), strings.Compare(a.Name, b.Name))
	})
	s.ModuleChanges = s.ModuleChanges[max(0, len(s.ModuleChanges)-mostChanges):]
}

// statesOf returns the states of modules by domain and name.
func statesOf(modules []Module) map[[2]string]string {
	states := make(map[[2]string]string, len(modules))
	for _, m := range modules {
		states[[2]string{m.Domain, m.Name}] = m.State()
	}
	return states
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

package prosody

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"active_users_exporter/collector"
)

// modulesOfPage reads the page of mod_http_status: for each host and component
// its modules, global ones under the host "*". A module that failed to load is
// not on it.
func (r *Reader) modulesOfPage(ctx context.Context) ([]collector.Module, error) {
	page, err := r.statusPage(ctx)
	if err != nil {
		return nil, &pageError{what: "the states of modules", where: withoutPassword(r.options.StatusURL), err: err}
	}
	var modules []collector.Module
	for host, states := range page {
		for name, state := range states {
			modules = append(modules, collector.Module{Domain: host, Name: name, Status: statusOf(state.Type), Loaded: true})
		}
	}
	return modules, nil
}

// statusPage is the page by host and module.
type statusPage map[string]map[string]struct {
	Type string `json:"type"`
}

func (r *Reader) statusPage(ctx context.Context) (page statusPage, err error) {
	body, err := r.page(ctx, r.options.StatusURL)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &page); err != nil || page == nil {
		return nil, errors.New("the answer is not the JSON of mod_http_status")
	}
	return page, nil
}

// statusOf returns the state of that name; Prosody takes an unknown one for
// info (module:set_status in core/moduleapi.lua).
func statusOf(name string) collector.ModuleStatus {
	switch name {
	case "core":
		return collector.ModuleCore
	case "warn":
		return collector.ModuleWarn
	case "error":
		return collector.ModuleError
	}
	return collector.ModuleInfo
}

// require marks the required modules, and adds those that are absent.
func require(modules []collector.Module, required []string) []collector.Module {
	for _, wanted := range required {
		domain, name, onDomain := strings.Cut(wanted, "/")
		if !onDomain {
			domain, name = collector.AllDomains, wanted
		}
		found := false
		for i := range modules {
			m := &modules[i]
			if m.Loaded && m.Name == name && (!onDomain || m.Domain == domain) {
				m.Required, found = true, true
			}
		}
		absent := collector.Module{Domain: domain, Name: name, Required: true}
		if !found && !slices.Contains(modules, absent) {
			modules = append(modules, absent)
		}
	}
	return modules
}

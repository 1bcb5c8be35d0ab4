package prosody

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"active_users_exporter/collector"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/webapi"
)

// modulesOfPage reads the page of mod_http_status: for each host and component
// its modules, global ones under the host "*". A module that failed to load is
// not on it.
func (r *Reader) modulesOfPage(ctx context.Context) ([]collector.Module, error) {
	page, err := r.statusPage(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the states of modules: %w", allowed(err))
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
	body, err := r.status.Get(ctx)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &page); err != nil || page == nil {
		return nil, r.status.Fail("", failure.Unexpected, "the answer is not the JSON of mod_http_status")
	}
	return page, nil
}

// allowed says what to do about a page that Prosody does not show to the exporter.
func allowed(err error) error {
	if webapi.StatusOf(err) == http.StatusForbidden {
		return fmt.Errorf("%w (add the exporter's address to http_status_allow_ips or openmetrics_allow_ips in Prosody's configuration)", err)
	}
	return err
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

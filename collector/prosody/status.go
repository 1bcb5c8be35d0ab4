package prosody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
)

const (
	statusTimeout = 10 * time.Second
	// maxStatusPage holds the states of some ten thousand modules.
	maxStatusPage = 4 << 20
)

var errForbidden = errors.New("answered 403 Forbidden (add the exporter's address to http_status_allow_ips in Prosody's configuration)")

// newStatusClient returns a client that does not follow redirects: the page
// that was configured is the one to read.
func newStatusClient() *http.Client {
	return &http.Client{
		Timeout:       statusTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// modulesOfPage reads the page of mod_http_status: for each host and component
// its modules, global ones under the host "*". A module that failed to load is
// not on it.
func (r *Reader) modulesOfPage(ctx context.Context) ([]collector.Module, error) {
	page, err := r.statusPage(ctx)
	if err != nil {
		return nil, &statusError{where: withoutPassword(r.options.StatusURL), err: err}
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

func (r *Reader) statusPage(ctx context.Context) (statusPage, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.options.StatusURL, nil)
	if err != nil {
		return nil, errors.New("not a valid URL")
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode == http.StatusForbidden:
		return nil, errForbidden
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("answered %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxStatusPage+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", cause(err))
	}
	if len(body) > maxStatusPage {
		return nil, errors.New("the answer is larger than 4 MiB")
	}
	var page statusPage
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

// statusError says which page could not be read, and why.
type statusError struct {
	where string
	err   error
}

func (e *statusError) Error() string {
	return fmt.Sprintf("read the states of modules from %s: %v", e.where, e.err)
}

func (e *statusError) Unwrap() error { return e.err }

// Reason tells no answer from an answer that is of no use.
func (e *statusError) Reason() string {
	if errors.Is(e.err, errForbidden) {
		return string(collector.Denied)
	}
	return string(networkReason(e.err))
}

// networkReason sorts the failures of asking a running server.
func networkReason(err error) collector.Reason {
	var network *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return collector.Timeout
	case errors.Is(err, fs.ErrPermission):
		return collector.Denied
	case errors.As(err, &network):
		return collector.Unreachable
	}
	return collector.Unexpected
}

// cause drops the method and URL that net/http puts before an error.
func cause(err error) error {
	if at, ok := errors.AsType[*url.Error](err); ok {
		if at.Timeout() {
			return fmt.Errorf("no answer in %s: %w", statusTimeout, context.DeadlineExceeded)
		}
		return at.Err
	}
	return err
}

func withoutPassword(location string) string {
	u, err := url.Parse(location)
	if err != nil {
		return "the status page"
	}
	u.User = nil
	return u.String()
}

package prosody

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
)

// metricsPage is what Prosody's own page of metrics (mod_http_openmetrics)
// shows: the active users that mod_measure_active_users has counted, connected
// ones included, and the states of modules of mod_measure_modules.
type metricsPage struct {
	active  map[string]map[activity.Window]int // by host
	modules []collector.Module
}

// countingDelay is how long after its start Prosody shows zeros: the module counts
// for the first time after fifteen seconds, and the page is made at intervals.
const countingDelay = time.Minute

func (r *Reader) readMetrics(ctx context.Context, now time.Time) (*metricsPage, error) {
	body, err := r.metrics.Get(ctx)
	if err != nil {
		return nil, fmt.Errorf("read Prosody's metrics: %w", allowed(err))
	}
	page, err := parseMetrics(body, now)
	if err != nil {
		return nil, fmt.Errorf("read Prosody's metrics: %w", r.metrics.Fail("", failure.Unexpected, "%w", err))
	}
	return page, nil
}

// parseMetrics reads the page. The text format's parser takes all of it: lines
// that are OpenMetrics alone are comments to it.
func parseMetrics(body []byte, now time.Time) (*metricsPage, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("the answer is no page of metrics: %w", err)
	}
	if started := startOf(families); now.Sub(started) < countingDelay && !now.Before(started) {
		return nil, fmt.Errorf("it was started %s ago and may not have counted yet", now.Sub(started).Round(time.Second))
	}
	page := &metricsPage{active: make(map[string]map[activity.Window]int)}
	for _, window := range activity.DefaultWindows() {
		family := families["prosody_mod_measure_active_users__active_users_"+window.String()]
		for _, m := range family.GetMetric() {
			host := label(m, "host")
			if page.active[host] == nil {
				page.active[host] = make(map[activity.Window]int)
			}
			page.active[host][window] = int(valueOf(m))
		}
	}
	for _, m := range families["prosody_module_status"].GetMetric() {
		domain := label(m, "host")
		if domain == ":global" {
			domain = collector.AllDomains
		}
		status := collector.ModuleStatus(max(0, min(valueOf(m), float64(collector.ModuleError))))
		page.modules = append(page.modules, collector.Module{Domain: domain, Name: label(m, "module"), Status: status, Loaded: true})
	}
	if len(page.active) == 0 && len(page.modules) == 0 {
		return nil, errors.New("neither mod_measure_active_users nor mod_measure_modules is on the page")
	}
	return page, nil
}

// requireOnPage is collector.Require for the page, on which modules of components are
// not: whether a module is loaded on a host that the page does not know is unknown,
// and returned as a sentence for the log.
func requireOnPage(modules []collector.Module, required []string) (all []collector.Module, unknown []string) {
	var told []string
	for _, wanted := range required {
		host, name, onHost := strings.Cut(wanted, "/")
		if onHost && !slices.ContainsFunc(modules, func(m collector.Module) bool { return m.Domain == host }) {
			unknown = append(unknown, fmt.Sprintf("whether the module %s is loaded on %s is not known: the page of metrics_url has no modules of it, such as of a component; status_url or admin_socket would tell", name, host))
			continue
		}
		told = append(told, wanted)
	}
	return collector.Require(modules, told), unknown
}

// startOf is about when the server was started: counters are made then.
func startOf(families map[string]*dto.MetricFamily) time.Time {
	first := math.Inf(1)
	for name, family := range families {
		if strings.HasSuffix(name, "_created") {
			for _, m := range family.GetMetric() {
				first = min(first, valueOf(m))
			}
		}
	}
	if math.IsInf(first, 0) {
		return time.Time{}
	}
	return time.UnixMilli(int64(first * 1000))
}

// valueOf is the value of a sample of whatever type.
func valueOf(m *dto.Metric) float64 {
	switch {
	case m.GetGauge() != nil:
		return m.GetGauge().GetValue()
	case m.GetCounter() != nil:
		return m.GetCounter().GetValue()
	}
	return m.GetUntyped().GetValue()
}

// label is the value of a label, which Prosody escapes twice.
func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(pair.GetValue())
		}
	}
	return ""
}

// addMetrics adds the page to what was read from the records, where the admin socket
// does not say who is connected: the server's own figures are then the better ones.
func (r *Reader) addMetrics(facts *collector.Facts, page *metricsPage) {
	if r.options.StatusURL == "" && r.options.AdminSocket == "" {
		facts.Modules = page.modules
	}
	known := make(map[string]bool)
	for i, d := range facts.Domains {
		known[d.Name] = true
		facts.Domains[i].ActiveByServer = page.active[d.Name]
	}
	for host, counted := range page.active {
		if !known[host] && r.options.serves(host) {
			facts.Domains = append(facts.Domains, collector.DomainFacts{Name: host, ActiveByServer: counted})
		}
	}
}

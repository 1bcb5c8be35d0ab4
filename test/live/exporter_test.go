//go:build live

package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"active_users_exporter/test/must"
)

// exporter is the program in a server's root, run as documented: by a user of
// its own who belongs to the server's group and may write nothing of it.
type exporter struct {
	place       *place // of the server
	binary      string
	environment []string
	complaints  bytes.Buffer // what the last report logged
}

const nobody = 65534

func newExporter(t *testing.T, b *bench, server *place) *exporter {
	t.Helper()
	program, err := os.ReadFile(b.program)
	must.Succeed(t, err)
	e := &exporter{place: &place{server.root, server.inside, &syscall.Credential{Uid: nobody, Gid: server.owner.Gid}}}
	must.Succeed(t, os.WriteFile(server.out("active_users_exporter"), program, 0o755))
	e.binary = server.in("active_users_exporter")
	return e
}

// configure writes a configuration file and returns its path.
func (e *exporter) configure(t *testing.T, yaml string) string {
	t.Helper()
	return e.place.write(t, "exporter-"+strconv.FormatInt(time.Now().UnixNano(), 36)+".yml", yaml)
}

// report is what the command of that name says at a moment, which is the end of
// a second as in everything that servers say; zero is now.
func (e *exporter) report(t *testing.T, at int64, arguments ...string) figures {
	t.Helper()
	found, err := e.tryReport(at, arguments...)
	if err != nil {
		t.Fatalf("report %q: %v", arguments, err)
	}
	return found
}

func (e *exporter) tryReport(at int64, arguments ...string) (figures, error) {
	command := e.place.command(e.binary, append([]string{"report", "--output=json", "--storage.path="}, arguments...)...)
	command.Env = append(command.Env, e.environment...)
	if at != 0 {
		command.Env = append(command.Env, fmt.Sprintf("ACTIVE_USERS_NOW=%d", at))
	}
	var said bytes.Buffer
	e.complaints.Reset()
	command.Stdout, command.Stderr = &said, &e.complaints
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, e.complaints.Bytes())
	}
	var samples []struct {
		Name   string
		Labels map[string]string
		Value  float64
	}
	if err := json.Unmarshal(said.Bytes(), &samples); err != nil {
		return nil, err
	}
	found := make(figures)
	for _, s := range samples {
		delete(s.Labels, "server") // there is one
		found[series(s.Name, s.Labels)] = s.Value
	}
	return found, nil
}

// series is the name of a series. An empty label is none.
func series(name string, labels map[string]string) string {
	var b strings.Builder
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if labels[label] != "" {
			fmt.Fprintf(&b, ",%s=%q", label, labels[label])
		}
	}
	if b.Len() == 0 {
		return name
	}
	return name + "{" + b.String()[1:] + "}"
}

// serve starts the exporter and returns the URL of its pages.
func (e *exporter) serve(t *testing.T, arguments ...string) string {
	t.Helper()
	storage := filepath.Join(filepath.Dir(e.place.out("")), filepath.Base(e.place.inside)+"-state")
	must.Succeed(t, os.MkdirAll(storage, 0o700))
	must.Succeed(t, os.Chown(storage, nobody, int(e.place.owner.Gid)))
	t.Cleanup(func() { _ = os.RemoveAll(storage) })
	port := freePort(t)
	command := e.place.command(e.binary, append([]string{
		"serve", "--web.listen-address=127.0.0.1:" + port,
		"--storage.path=" + strings.TrimPrefix(storage, e.place.root.path),
	}, arguments...)...)
	e.place.start(t, command).listens(t, port)
	return "http://127.0.0.1:" + port
}

// scrape reads the exporter's /metrics.
func scrape(t *testing.T, url string) figures {
	t.Helper()
	response, err := http.Get(url + "/metrics")
	must.Succeed(t, err)
	defer func() { _ = response.Body.Close() }()
	return parse(t, response.Body)
}

// parse reads Prometheus' text format. Bounds of buckets are written as
// Prometheus 3 stores them: 1.0 and not 1.
func parse(t *testing.T, text io.Reader) figures {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	must.Succeed(t, err)
	found := make(figures)
	for name, family := range families {
		for _, m := range family.GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			switch {
			case m.GetGauge() != nil:
				found[series(name, labels)] = m.GetGauge().GetValue()
			case m.GetCounter() != nil:
				found[series(name, labels)] = m.GetCounter().GetValue()
			case m.GetHistogram() != nil:
				found[series(name+"_sum", labels)] = m.GetHistogram().GetSampleSum()
				found[series(name+"_count", labels)] = float64(m.GetHistogram().GetSampleCount())
				for _, bucket := range m.GetHistogram().GetBucket() {
					labels["le"] = strconv.FormatFloat(bucket.GetUpperBound(), 'g', -1, 64)
					if !strings.ContainsAny(labels["le"], ".Ie") {
						labels["le"] += ".0"
					}
					found[series(name+"_bucket", labels)] = float64(bucket.GetCumulativeCount())
				}
			}
		}
	}
	return found
}

func readAll(t *testing.T, from io.Reader) string {
	t.Helper()
	content, err := io.ReadAll(from)
	must.Succeed(t, err)
	return string(content)
}

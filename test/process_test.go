package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
	"active_users_exporter/test/series"
)

// process is a running program, with its pages and its receiver of reports.
type process struct {
	*exec.Cmd
	metrics, reports string // addresses
	log              bytes.Buffer
	exited           chan struct{}
}

// startServing starts the program on a configuration, to which it adds a folder
// for history and reports, and waits until it has read the server "sound".
func startServing(t *testing.T, folder, servers string) *process {
	t.Helper()
	p := &process{metrics: freeAddress(t), reports: freeAddress(t), exited: make(chan struct{})}
	file := filepath.Join(t.TempDir(), "active_users.yml")
	must.WriteFile(t, file, fmt.Sprintf("storage: {path: '%s'}\nreports: {listen_address: '%s'}\nservers:\n%s", folder, p.reports, servers))
	p.Cmd = exec.CommandContext(t.Context(), program, "--config.file="+file, "--web.listen-address="+p.metrics, "--web.enable-lifecycle")
	p.Stderr = &p.log
	must.Succeed(t, p.Start())
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.exited
	})
	go func() {
		_ = p.Wait()
		close(p.exited)
	}()
	must.Happen(t, func() bool { return p.scrape(t)[`chat_server_up{server="sound"}`] == "1" })
	return p
}

// scrape returns what the metrics say, nothing while nobody listens.
func (p *process) scrape(t *testing.T) series.Series {
	t.Helper()
	response, err := http.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must.Succeed(t, err)
	return series.Parse(string(body))
}

// push pushes a usage report and returns the status of the answer.
func (p *process) push(t *testing.T, homeserver string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+p.reports+"/report-usage-stats/push", strings.NewReader(report(homeserver)))
	must.Succeed(t, err)
	response, err := http.DefaultClient.Do(request)
	must.Succeed(t, err)
	must.Succeed(t, response.Body.Close())
	return response.StatusCode
}

// pushHalf begins to push a report, waits until the receiver asks for the rest,
// and returns what ends it.
func (p *process) pushHalf(t *testing.T, homeserver string) (end func() int) {
	t.Helper()
	body := report(homeserver)
	connection := must.Dial(t, p.reports)
	t.Cleanup(func() { _ = connection.Close() })
	answers := bufio.NewReader(connection)
	status := func() int {
		response, err := http.ReadResponse(answers, nil)
		must.Succeed(t, err)
		must.Succeed(t, response.Body.Close())
		return response.StatusCode
	}
	_, err := fmt.Fprintf(connection, "PUT /report-usage-stats/push HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:9])
	must.Succeed(t, err)
	if status := status(); status != http.StatusContinue {
		t.Fatalf("a push that begins was answered with %d", status)
	}
	return func() int {
		_, err := io.WriteString(connection, body[9:])
		must.Succeed(t, err)
		return status()
	}
}

func report(homeserver string) string {
	return fmt.Sprintf(`{"homeserver":%q,"total_users":7,"padding":%q}`, homeserver, strings.Repeat("x", 20_000))
}

// storedReports are the homeservers with a report in the folder.
func storedReports(t *testing.T, folder string) (homeservers []string) {
	t.Helper()
	for line := range strings.Lines(output(t, "reports", "export", "--storage.path="+folder)) {
		var stored struct {
			Report struct{ Homeserver string }
		}
		must.Succeed(t, json.Unmarshal([]byte(line), &stored))
		homeservers = append(homeservers, stored.Report.Homeserver)
	}
	slices.Sort(homeservers)
	return homeservers
}

// output runs the program and returns what it prints.
func output(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, arguments...).Output()
	must.Succeed(t, err)
	return string(out)
}

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	return "127.0.0.1:" + dbtest.FreePort(t)
}

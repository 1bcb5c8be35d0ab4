package main

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
	writeFile(t, file, fmt.Sprintf("storage: {path: '%s'}\nreports: {listen_address: '%s'}\nservers:\n%s", folder, p.reports, servers))
	p.Cmd = exec.CommandContext(t.Context(), program, "--config.file="+file, "--web.listen-address="+p.metrics, "--web.enable-lifecycle")
	p.Stderr = &p.log
	must(t, p.Start())
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.exited
	})
	go func() {
		_ = p.Wait()
		close(p.exited)
	}()
	waitUntil(t, func() bool { return p.scrape(t)[`chat_server_up{server="sound"}`] == "1" })
	return p
}

// scrape returns what the metrics say, nothing while nobody listens.
func (p *process) scrape(t *testing.T) series {
	t.Helper()
	response, err := http.Get("http://" + p.metrics + "/metrics")
	if err != nil {
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return seriesOf(string(body))
}

// push pushes a usage report and returns the status of the answer.
func (p *process) push(t *testing.T, homeserver string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+p.reports+"/report-usage-stats/push", strings.NewReader(report(homeserver)))
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	must(t, response.Body.Close())
	return response.StatusCode
}

// pushHalf begins to push a report, waits until the receiver asks for the rest,
// and returns what ends it.
func (p *process) pushHalf(t *testing.T, homeserver string) (end func() int) {
	t.Helper()
	body := report(homeserver)
	connection := dial(t, p.reports)
	t.Cleanup(func() { _ = connection.Close() })
	answers := bufio.NewReader(connection)
	status := func() int {
		response, err := http.ReadResponse(answers, nil)
		must(t, err)
		must(t, response.Body.Close())
		return response.StatusCode
	}
	_, err := fmt.Fprintf(connection, "PUT /report-usage-stats/push HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:9])
	must(t, err)
	if status := status(); status != http.StatusContinue {
		t.Fatalf("a push that begins was answered with %d", status)
	}
	return func() int {
		_, err := io.WriteString(connection, body[9:])
		must(t, err)
		return status()
	}
}

func report(homeserver string) string {
	return fmt.Sprintf(`{"homeserver":%q,"total_users":7,"padding":%q}`, homeserver, strings.Repeat("x", 20_000))
}

// storedReports are the homeservers of which the folder holds a report.
func storedReports(t *testing.T, folder string) (homeservers []string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), program, "reports", "export", "--storage.path="+folder).Output()
	must(t, err)
	for line := range bytes.Lines(output) {
		var stored struct {
			Report struct{ Homeserver string }
		}
		must(t, json.Unmarshal(line, &stored))
		homeservers = append(homeservers, stored.Report.Homeserver)
	}
	slices.Sort(homeservers)
	return homeservers
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

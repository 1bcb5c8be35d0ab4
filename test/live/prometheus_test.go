//go:build live

package live

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"active_users_exporter/test/must"
)

// prometheus tries Debian 12's promtool on the rules, and the newest Prometheus
// on everything.
func prometheus(t *testing.T, b *bench) {
	folder := t.TempDir()
	for _, name := range []string{"prometheus", "promtool"} {
		wrap(t, b.chat, name, filepath.Join(folder, name))
	}
	runHere(t, nil, "promtool", append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, match(t, "../../alerts/*.rules.yml")...)...)
	runHere(t, nil, "promtool", append([]string{"test", "rules"}, match(t, "../../alerts/*.tests.yml")...)...)
	compareScrapes(t, b, filepath.Join(folder, "prometheus"))

	// Rules and their tests again; every query of every panel, and every rule,
	// executed on data.
	said := runHere(t, []string{"PATH=" + folder + ":" + os.Getenv("PATH")}, "../../.ci/dashboards", b.program)
	executed := regexp.MustCompile(`ok: (\d+) expressions of (\d+) panels`).FindStringSubmatch(said)
	if executed == nil {
		t.Fatalf("no panels were tried:\n%s", said)
	}
	t.Logf("%s expressions of %s panels", executed[1], executed[2])
}

// wrap makes a script that runs a program of a root on this machine's files:
// with the root's loader and libraries, but not inside of it.
func wrap(t *testing.T, r *root, name, script string) {
	t.Helper()
	loaders, err := filepath.Glob(filepath.Join(r.path, "lib*/ld-linux*.so*"))
	must.Succeed(t, err)
	libraries, err := filepath.Glob(filepath.Join(r.path, "usr/lib/*-linux-gnu*"))
	must.Succeed(t, err)
	if len(loaders) == 0 || len(libraries) == 0 {
		t.Fatal("the root has no loader")
	}
	text := fmt.Sprintf("#!/bin/sh\nexec %q --library-path %q %q \"$@\"\n", loaders[0], libraries[0], filepath.Join(r.path, "usr/bin", name))
	must.Succeed(t, os.WriteFile(script, []byte(text), 0o755))
}

func match(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	must.Succeed(t, err)
	if len(found) == 0 {
		t.Fatalf("there is no %s", pattern)
	}
	return found
}

func runHere(t *testing.T, environment []string, name string, arguments ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, arguments...)
	command.Env = append(os.Environ(), environment...)
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, arguments, err, said)
	}
	return string(said)
}

// compareScrapes lets Prometheus scrape the demo in every protocol and with
// every way to escape names. Each must give what /metrics says.
func compareScrapes(t *testing.T, b *bench, prometheus string) {
	t.Helper()
	demo := exec.CommandContext(t.Context(), b.program, "demo", "--web.listen-address=127.0.0.1:0")
	output, err := demo.StdoutPipe()
	must.Succeed(t, err)
	must.Succeed(t, demo.Start())
	t.Cleanup(func() {
		_ = demo.Process.Signal(os.Interrupt) // it takes its records away
		_ = demo.Wait()
	})
	line, err := bufio.NewReader(output).ReadString('\n')
	must.Succeed(t, err)
	target := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)

	jobs := []string{
		"scrape_protocols: [PrometheusProto]", "scrape_protocols: [OpenMetricsText1.0.0]", "scrape_protocols: [OpenMetricsText0.0.1]",
		"scrape_protocols: [PrometheusText1.0.0]", "scrape_protocols: [PrometheusText0.0.4]",
		"metric_name_escaping_scheme: underscores", "metric_name_escaping_scheme: dots", "metric_name_escaping_scheme: values",
		"metric_name_validation_scheme: legacy, metric_name_escaping_scheme: underscores", "enable_compression: false",
	}
	var config strings.Builder
	config.WriteString("global: {scrape_interval: 1s}\nscrape_configs:\n")
	for i, job := range jobs {
		fmt.Fprintf(&config, "  - {job_name: job%d, %s, static_configs: [{targets: [%q]}]}\n", i, job, target)
	}
	folder := t.TempDir()
	must.WriteFile(t, filepath.Join(folder, "prometheus.yml"), config.String())
	port := freePort(t)
	server := exec.CommandContext(t.Context(), prometheus, "--config.file="+filepath.Join(folder, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(folder, "tsdb"), "--web.listen-address=127.0.0.1:"+port)
	log, err := os.Create(filepath.Join(folder, "log"))
	must.Succeed(t, err)
	server.Stderr = log
	must.Succeed(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Log(must.ReadFile(t, log.Name()))
		}
	})

	var page figures
	waitFor(t, "the demo to be at rest", func() bool {
		before := page
		page = scrape(t, "http://"+target).pick("chat_", "synapse_", "mongooseim_")
		time.Sleep(time.Second)
		return before != nil && maps.Equal(before, page)
	})
	for i, job := range jobs {
		var found figures
		waitFor(t, "a scrape by "+job, func() bool {
			found = instant(port, fmt.Sprintf(`{job="job%d",__name__=~"(chat|synapse|mongooseim)_.*"}`, i))
			return len(found) >= len(page)
		})
		b.row.compare(t, job, page, found)
	}
	broken := make(figures)
	for name, value := range page {
		broken[name] = value + 1
		break
	}
	b.row.notice(t, "a value was changed", page, broken)
}

// instant asks a Prometheus; nothing while it does not answer.
func instant(port, query string) figures {
	response, err := http.Get("http://127.0.0.1:" + port + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return nil
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil
	}
	found := make(figures)
	for _, s := range answer.Data.Result {
		name := s.Metric["__name__"]
		for _, added := range []string{"__name__", "job", "instance"} {
			delete(s.Metric, added)
		}
		text, _ := s.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil
		}
		found[series(name, s.Metric)] = value
	}
	return found
}

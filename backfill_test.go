package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// backfilled runs the command on the sample of a real Synapse and returns its
// samples, by series and time of day's end.
func backfilled(t *testing.T, arguments ...string) map[string]string {
	t.Helper()
	t.Setenv("ACTIVE_USERS_NOW", "1794236747")
	directory := realRecords(t)
	var out, err bytes.Buffer
	arguments = append([]string{"backfill", "--server=synapse=sqlite:" + filepath.Join(directory, "homeserver.db"), "--storage.path="}, arguments...)
	if code := run(arguments, &out, &err); code != exitOK {
		t.Fatalf("exit code %d: %s", code, err.String())
	}
	samples := make(map[string]string)
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		samples[fields[0]+" "+fields[2]] = fields[1]
	}
	return samples
}

// What a real Synapse reported each day of seventy, and what is counted for the
// same days when they are long past: retention is the same.
func TestBackfillEqualsWhatSynapseReported(t *testing.T) {
	content, err := os.ReadFile("collector/reports/testdata/phone-home-series-sqlite.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	type report struct {
		Timestamp int64
		All       float64 `json:"r30v2_users_all"`
		Android   float64 `json:"r30v2_users_android"`
		Web       float64 `json:"r30v2_users_web"`
	}
	// The first report of each day, before which all visits of the day before
	// were written, and none of its own. Once there are 60 days it looks at
	// one day less than the end of the day before did.
	first := make(map[activity.Day]report)
	for line := range strings.Lines(string(content)) {
		var r report
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(r.Timestamp, 0)
		if date := activity.DayOf(at); first[date].Timestamp == 0 && at.Before(time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC)) {
			first[date] = r
		}
	}
	samples := backfilled(t, "--from=2026-09-01", "--to=2026-11-20")
	compared := 0
	for date, want := range first {
		at := " " + formatSeconds(date.Start())
		got, there := samples[`chat_r30v2_users{server="synapse",domain="sqlite.lab.test"}`+at]
		if !there {
			continue
		}
		compared++
		wanted := []string{formatFloat(want.All), formatFloat(want.Android), formatFloat(want.Web)}
		if diff := cmp.Diff(wanted, []string{
			got,
			samples[`chat_r30v2_client_users{server="synapse",domain="sqlite.lab.test",client="android"}`+at],
			samples[`chat_r30v2_client_users{server="synapse",domain="sqlite.lab.test",client="web"}`+at],
		}); diff != "" {
			t.Errorf("%s (-Synapse then +now):\n%s", date, diff)
		}
	}
	if compared < 55 {
		t.Errorf("only %d days compared", compared)
	}
}

func formatFloat(v float64) string {
	text := strings.TrimSuffix(strings.TrimSpace(string(must1(json.Marshal(v)))), ".0")
	return text + ".0"
}

// formatSeconds writes a moment as the OpenMetrics encoder does.
func formatSeconds(at time.Time) string {
	mantissa := strings.TrimRight(string(must1(json.Marshal(at.Unix()))), "0")
	return mantissa[:1] + "." + mantissa[1:] + "e+09"
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestBackfillWithMistakes(t *testing.T) {
	for _, arguments := range [][]string{
		{"--from=2026-11-02", "--to=2026-11-01"}, {"--from=yesterday", "--to=2026-11-01"}, {"--from=2026-11-01"},
	} {
		var out, err bytes.Buffer
		if code := run(append([]string{"backfill", "--storage.path=", "--server=synapse=sqlite:x"}, arguments...), &out, &err); code != exitUsage || out.Len() != 0 {
			t.Errorf("%v: exit code %d, %s", arguments, code, err.String())
		}
	}
}

// Between the moments of two days, each value is repeated at each step, with the labels
// that are given; nothing is written after now. A real Prometheus takes it and answers at
// any minute if the step is its scrape interval.
func TestBackfillIsContinuous(t *testing.T) {
	daily := backfilled(t, "--from=2026-11-01", "--to=2026-11-08", "--step=1d")
	hourly := backfilled(t, "--from=2026-11-01", "--to=2026-11-08", "--job=active_users", "--instance=here:1")
	now := time.Unix(1794236747, 0)
	labelled := func(series string) string {
		return strings.TrimSuffix(series, "}") + `,job="active_users",instance="here:1"}`
	}
	want := 0
	for sample, value := range daily {
		series, at, _ := strings.Cut(sample, " ")
		moment := time.Unix(int64(must1(strconv.ParseFloat(at, 64))), 0)
		for hour := range 24 {
			repeated := moment.Add(time.Duration(hour) * time.Hour)
			got, there := hourly[labelled(series)+" "+formatSeconds(repeated)]
			if repeated.After(now) == there || there && got != value {
				t.Fatalf("%s at %s: %q, %t; want %q", series, repeated.UTC(), got, there, value)
			}
			if there {
				want++
			}
		}
	}
	if want != len(hourly) || want < 24*len(daily)*7/8 {
		t.Errorf("%d samples, want %d", len(hourly), want)
	}
}

// A real Prometheus takes the samples, and shows a value at any minute of a day.
func TestPrometheusShowsBackfilledDays(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		dbtest.Missing(t, "no promtool")
	}
	past, blocks := filepath.Join(t.TempDir(), "past"), filepath.Join(t.TempDir(), "blocks")
	t.Setenv("ACTIVE_USERS_NOW", "1794236747")
	must.WriteFile(t, past, runs(t, "backfill", "--server=synapse=sqlite:"+filepath.Join(realRecords(t), "homeserver.db"), "--storage.path=",
		"--from=2026-11-03", "--to=2026-11-03", "--step=1m", "--job=active_users"))
	if said, err := exec.CommandContext(t.Context(), promtool, "tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics", past, blocks).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	must.Succeed(t, os.Mkdir(filepath.Join(blocks, "wal"), 0o700)) // as in the folder of a Prometheus
	dump := must.Get(exec.CommandContext(t.Context(), promtool, "tsdb", "dump", "--match", `chat_active_users{job="active_users",window="30d"}`, blocks).Output())(t)
	if n := strings.Count(string(dump), "\n"); n != 24*60 {
		t.Errorf("%d samples, want one for each minute of a day", n)
	}
}

func TestBackfillTooOften(t *testing.T) {
	var out, err bytes.Buffer
	if code := run([]string{"backfill", "--storage.path=", "--server=synapse=sqlite:x", "--from=2026-10-01", "--to=2026-10-02", "--step=5s"}, &out, &err); code != exitUsage || !strings.Contains(err.String(), "--step=5s: the shortest is 10s") {
		t.Errorf("exit code %d, %s", code, err.String())
	}
}

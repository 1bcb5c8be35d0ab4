package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/test/samples"
)

// letter runs the command on the sample of a real Synapse, at a moment.
func letter(t *testing.T, at time.Time, arguments ...string) string {
	t.Helper()
	t.Setenv("ACTIVE_USERS_NOW", fmt.Sprint(at.Unix()))
	var out, err bytes.Buffer
	arguments = append([]string{"report", "--server=synapse=sqlite:" + filepath.Join(realRecords(t), "homeserver.db"), "--storage.path="}, arguments...)
	if code := run(arguments, &out, &err); code != exitOK {
		t.Fatalf("exit code %d: %s", code, err.String())
	}
	return out.String()
}

// The figures of a letter are those that backfill writes for the last day of the month,
// whenever the letter is written.
func TestLetterEqualsBackfill(t *testing.T) {
	samplesOfThatDay := backfilled(t, "--from=2026-10-31", "--to=2026-10-31")
	at := " " + formatSeconds(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	text := letter(t, samples.Now(), "--output=text", "--month=2026-10")
	compared := 0
	for name, window := range map[string]string{"DAU": "1d", "WAU": "7d", "MAU": "30d"} {
		want := strings.TrimSuffix(samplesOfThatDay[`chat_active_users{server="synapse",domain="sqlite.lab.test",window="`+window+`"}`+at], ".0")
		if want == "" || !regexp.MustCompile(`(?m)^\* `+name+`: `+want+`[ ,]`).MatchString(text) {
			t.Errorf("%s is %q, and the letter says\n%s", name, want, text)
		}
		compared++
	}
	want := strings.TrimSuffix(samplesOfThatDay[`chat_r30v2_users{server="synapse",domain="sqlite.lab.test"}`+at], ".0")
	if want == "" || !regexp.MustCompile(`(?m)^\* Regulars: `+want+`[ ,]`).MatchString(text) || compared != 3 {
		t.Errorf("r30v2 is %q, and the letter says\n%s", want, text)
	}
	if later := letter(t, samples.Now().AddDate(0, 0, 20), "--output=text", "--month=2026-10"); later != text {
		t.Errorf("written later, the letter says\n%s\nand before\n%s", later, text)
	}
	for line := range strings.Lines(text) {
		if len([]rune(strings.TrimSuffix(line, "\n"))) > 72 {
			t.Errorf("a long line: %s", line)
		}
	}
}

// A letter in HTML is one file: it has no scripts and asks for nothing.
func TestLetterIsOneFile(t *testing.T) {
	page := letter(t, samples.Now(), "--output=html") // of the last month that is over
	for _, part := range []string{"Active users, October 2026", "sqlite.lab.test", "In October 2026, ", "<svg class=\"chart", "default-src &#39;none&#39;"} {
		if !strings.Contains(page, part) {
			t.Errorf("the letter does not say %q", part)
		}
	}
	for _, forbidden := range []string{"<script", "http:", "https:", "<img", "data.csv"} {
		if strings.Contains(page, forbidden) {
			t.Errorf("%q is in the letter", forbidden)
		}
	}
	ids := make(map[string]bool)
	for _, id := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		if ids[id[1]] {
			t.Errorf("two elements have the id %s", id[1])
		}
		ids[id[1]] = true
	}
}

func TestPeriods(t *testing.T) {
	now := time.Date(2027, 1, 4, 9, 0, 0, 0, time.UTC) // a Monday
	for _, c := range []struct{ month, week, name, first, last, before string }{
		{"", "", "December 2026", "2026-12-01", "2026-12-31", "2026-11-01"},
		{"2024-02", "", "February 2024", "2024-02-01", "2024-02-29", "2024-01-01"},
		{"2026-03", "", "March 2026", "2026-03-01", "2026-03-31", "2026-02-01"},
		{"", "2026-W53", "the week from 28 December 2026", "2026-12-28", "2027-01-03", "2026-12-21"},
		{"", "2026-W01", "the week from 29 December 2025", "2025-12-29", "2026-01-04", "2025-12-22"},
	} {
		p, err := periodOf(c.month, c.week, now)
		if err != nil || p.Name != c.name || p.First.String() != c.first || p.Last.String() != c.last || p.FirstBefore.String() != c.before {
			t.Errorf("%s%s: %+v (%s to %s, before from %s), error %v", c.month, c.week, p, p.First, p.Last, p.FirstBefore, err)
		}
	}
	for _, c := range [][2]string{
		{"2027-01", ""}, {"", "2027-W01"}, {"2026-13", ""}, {"2026-1", ""}, {"last", ""}, {"", "2025-W53"}, {"", "2026-W1"}, {"", "2026-W00"}, {"", "2026-W01x"}, {"2026-11", "2026-W45"},
	} {
		if p, err := periodOf(c[0], c[1], now); err == nil {
			t.Errorf("%q: %s to %s, want an error", c, p.First, p.Last)
		}
	}
	if p, err := periodOf("", "", time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)); err != nil || p.First != activity.DayOf(time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("in January: %+v, error %v", p, err)
	}
}

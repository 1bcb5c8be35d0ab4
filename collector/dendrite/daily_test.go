package dendrite_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"active_users_exporter/collector"
	"active_users_exporter/collector/dendrite"
	"active_users_exporter/test/must"
)

// today are the samples of dendrite_daily_* by name and homeserver.
func today(t *testing.T, r *collector.Refresher) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	must.Succeed(t, registry.Register(dendrite.NewCollector(func() []collector.Status { return []collector.Status{r.Status()} })))
	families, err := registry.Gather()
	must.Succeed(t, err)
	all := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			all[strings.TrimPrefix(f.GetName(), "dendrite_daily_")+" of "+m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
	}
	return all
}

func TestFiguresOfToday(t *testing.T) {
	day := func(midnight time.Time, server string, first int) string {
		return fmt.Sprintf(`INSERT INTO userapi_daily_stats VALUES (%d, '%s', %d, %d, %d, %d, %d, %d)`,
			midnight.UnixMilli(), server, first, first+1, first+2, first+3, first+4, first+5)
	}
	midnight := noon.Truncate(24 * time.Hour)
	zeros := map[string]float64{
		"messages of w.example": 0, "sent_messages of w.example": 0, "e2ee_messages of w.example": 0,
		"sent_e2ee_messages of w.example": 0, "active_rooms of w.example": 0, "active_e2ee_rooms of w.example": 0,
	}
	for name, c := range map[string]struct {
		rows   []string
		counts bool
		want   map[string]float64
	}{
		"a row of today": {
			rows: []string{day(midnight, "w.example", 10), day(midnight.Add(-24*time.Hour), "w.example", 90), day(midnight, "other.example", 70)},
			want: map[string]float64{
				"messages of w.example": 10, "sent_messages of w.example": 11, "e2ee_messages of w.example": 12,
				"sent_e2ee_messages of w.example": 13, "active_rooms of w.example": 14, "active_e2ee_rooms of w.example": 15,
			},
		},
		"none, and nobody knows whether Dendrite counts": {rows: []string{day(midnight.Add(-24*time.Hour), "w.example", 90)}, want: map[string]float64{}},
		"none, and dendrite.yaml says that it counts":    {rows: []string{day(midnight.Add(-24*time.Hour), "w.example", 90)}, counts: true, want: zeros},
		"no table": {rows: []string{`DROP TABLE userapi_daily_stats`}, counts: true, want: map[string]float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			db := onSQLite(t)
			db.run(aRow)
			db.run(c.rows...)
			now := noon
			r := newRefresher(dendrite.Options{Database: source(t, db.location), CountsMessages: c.counts}, &now)
			refresh(t, r)
			if diff := cmp.Diff(c.want, today(t, r)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What was counted by Dendrite itself over the messages that it has stored.
func TestFiguresOfTodayOfARealDendrite(t *testing.T) {
	now := time.Unix(expected(t, "expected-sqlite.json").Now, 0)
	r := newRefresher(dendrite.Options{Database: source(t, "sqlite:"+unpacked(t, "dendrite-sqlite.db"))}, &now)
	refresh(t, r)
	want := map[string]float64{
		"messages of garden.example": 14, "sent_messages of garden.example": 14, "e2ee_messages of garden.example": 9,
		"sent_e2ee_messages of garden.example": 9, "active_rooms of garden.example": 5, "active_e2ee_rooms of garden.example": 3,
	}
	if diff := cmp.Diff(want, today(t, r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

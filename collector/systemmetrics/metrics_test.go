package systemmetrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"active_users_exporter/collector/systemmetrics"
)

func uptime(name string, seconds int, reported time.Time) systemmetrics.Cluster {
	return systemmetrics.Cluster{Name: name, Reported: reported, Report: systemmetrics.Report{Uptime: systemmetrics.Known(seconds)}}
}

// A cluster that was asked and also reports is shown by its report, which has
// every item.
func TestReportsGoBeforeAnswers(t *testing.T) {
	read := func() []systemmetrics.Cluster {
		return []systemmetrics.Cluster{uptime("reports", 1, time.Time{}), uptime("silent", 1, time.Time{})}
	}
	reported := func() []systemmetrics.Cluster {
		return []systemmetrics.Cluster{uptime("reports", 2, time.Unix(1, 0))}
	}
	const want = `
# HELP mongooseim_uptime_seconds Uptime of the node that reported or was asked.
# TYPE mongooseim_uptime_seconds gauge
mongooseim_uptime_seconds{cluster="reports"} 2
mongooseim_uptime_seconds{cluster="silent"} 1
`
	if err := testutil.CollectAndCompare(systemmetrics.NewCollector(read, reported), strings.NewReader(want), "mongooseim_uptime_seconds"); err != nil {
		t.Error(err)
	}
}

package mongooseim

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"active_users_exporter/collector/files"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/systemmetrics"
)

const (
	// maxReport holds the events of some thousand host types.
	maxReport = 64 << 20
	// maxReportAge is two reports, of one every 3 hours by default, and some.
	maxReportAge = 7 * time.Hour
	// MongooseIM overwrites the file in place: half of it is worth a second
	// look.
	reportTries, reportPause = 3, 100 * time.Millisecond
)

// readReport reads the file of the system metrics. That it is not there, or
// old, says something of the node, but nothing of who is active: what is wrong
// is returned as a sentence for the log, and the report is left out.
func (r *Reader) readReport(ctx context.Context, now time.Time) (*systemmetrics.Cluster, string) {
	path := r.options.ReportFile
	var err error
	for try := 1; ; try++ {
		var c *systemmetrics.Cluster
		if c, err = parseReport(path); err == nil {
			r.lastReport = c
			break
		}
		if try == reportTries || ctx.Err() != nil {
			break
		}
		time.Sleep(reportPause)
	}
	switch {
	case os.IsNotExist(err):
		return nil, path + " does not exist: MongooseIM writes it 5 minutes after its start, if service_mongoose_system_metrics is on"
	case r.lastReport == nil:
		return nil, fmt.Sprintf("the system metrics cannot be read: %s", err)
	case now.Sub(r.lastReport.Reported) > maxReportAge:
		return nil, fmt.Sprintf("%s is older than %s: does the node run?", path, maxReportAge)
	case err != nil: // the last good one stays
		return r.lastReport, fmt.Sprintf("the system metrics cannot be read, the last ones stay: %s", err)
	}
	return r.lastReport, ""
}

func parseReport(path string) (*systemmetrics.Cluster, error) {
	content, info, err := files.Read(path, maxReport)
	if err != nil {
		return nil, err
	}
	part, err := systemmetrics.Parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &systemmetrics.Cluster{Report: part.Report, Reported: info.ModTime()}, nil
}

// clusterID reads the id of the cluster, with which it also reports.
func (r *reading) clusterID(ctx context.Context) (id string, err error) {
	columns, err := r.Columns(ctx, "mongoose_cluster_id")
	if err != nil || !slices.Contains(columns, "k") || !slices.Contains(columns, "v") {
		return "", err
	}
	err = r.Stream(ctx, `SELECT v FROM mongoose_cluster_id WHERE k = 'cluster_id'`, 1, func(row *sqldb.Row) { id = string(row.Text(0)) })
	return id, err
}

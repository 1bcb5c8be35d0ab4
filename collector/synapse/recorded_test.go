package synapse_test

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-kit/log"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/mas"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/collector/usagereport"
	"active_users_exporter/test/must"
)

// Where Synapse records nobody, nobody is counted: what is in its tables stands still. The
// accounts are known nevertheless.
func TestSynapseThatRecordsNobody(t *testing.T) {
	// The sample of MAS has people who are active at noon, 400 days from now none.
	database := must.Get(url.Parse(dbtest.PostgreSQL(t)))(t)
	dbtest.LoadDump(t, database.String(), "mas/testdata/mas-sample.sql.gz")
	query := database.Query()
	query.Set("search_path", "mas")
	database.RawQuery = query.Encode()
	masOptions := mas.Options{Database: must.Get(sqldb.ParseSource(database.String()))(t)}
	dbtest.Exec(t, database.String(), fmt.Sprintf(`UPDATE compat_sessions SET last_active_at = to_timestamp(%d)`, noon.Add(71*time.Hour).Unix()))

	msc3861 := &synapse.Configured{MSC3861: true}
	const everybodyLeft = `DELETE FROM user_ips`
	for name, c := range map[string]struct {
		statements []string
		after      time.Duration // since the newest moment in user_ips
		options    synapse.Options
		says       string // "" if activity is recorded
	}{
		"as ever":                               {after: 0},
		"a quiet weekend":                       {after: 72 * time.Hour},
		"user_ips is empty":                     {statements: []string{everybodyLeft}, says: "user_ips is empty although there are accounts"},
		"without a trace":                       {statements: []string{everybodyLeft, `DELETE FROM user_daily_visits`, `DELETE FROM devices`}, says: "user_ips is empty although there are accounts"},
		"only bridged accounts":                 {statements: []string{everybodyLeft, `DELETE FROM users WHERE COALESCE(appservice_id, '') = ''`}},
		"only accounts that are deactivated":    {statements: []string{everybodyLeft, `UPDATE users SET deactivated = 1`}},
		"a new server":                          {statements: []string{everybodyLeft, `DELETE FROM users`}, options: synapse.Options{ServerName: synapsetest.Server}},
		"MAS from 1.98 on":                      {after: time.Hour, options: synapse.Options{Configured: msc3861}},
		"MAS before 1.98":                       {after: 72 * time.Hour, options: synapse.Options{Configured: msc3861}, says: "nobody has been seen since 2026-11-09, and Synapse 1.86 to 1.97 records nobody with experimental_features.msc3861"},
		"MAS before 1.98, rows are pruned":      {statements: []string{everybodyLeft}, options: synapse.Options{Configured: msc3861}, says: "user_ips is empty, and Synapse 1.86 to 1.97"},
		"MAS knows better":                      {after: 72 * time.Hour, options: synapse.Options{MAS: masOptions}, says: "nobody has been seen since 2026-11-09, but people were active in MAS since"},
		"MAS knows as much":                     {after: time.Hour, options: synapse.Options{MAS: masOptions}},
		"nobody has come for long, nor has MAS": {after: 200 * 24 * time.Hour, options: synapse.Options{MAS: masOptions}},
	} {
		path := filepath.Join(t.TempDir(), "homeserver.db")
		must.Succeed(t, synapsetest.Population{Users: 50, Days: 62, Now: noon}.FillSQLite(t.Context(), path))
		create(t, path, c.statements...)
		c.options.Database = must.Get(sqldb.ParseSource("sqlite:" + path))(t)
		r := collector.NewRefresher(collector.RefresherOptions{
			Server: "matrix", Software: "synapse", Reader: synapse.New(c.options, activity.SynapseClasses()),
			Interval: time.Hour, StaleAfter: 3 * time.Hour, Windows: activity.DefaultWindows(), HalfYear: true, Cohorts: true,
			Classes: activity.SynapseClasses(), Now: func() time.Time { return noon.Add(c.after) }, Logger: log.NewNopLogger(),
		})
		must.Succeed(t, r.Refresh(t.Context()))
		d := r.Status().Snapshot.Domains[0]
		if (d.NotRecorded != "") != (c.says != "") || !strings.HasPrefix(d.NotRecorded, c.says) {
			t.Errorf("%s: said %q, want %q", name, d.NotRecorded, c.says)
		}
		usage := collector.Specials[usagereport.Homeserver]([]collector.Status{r.Status()})[0].Value.Statistics
		_, daily := usage["daily_active_users"]
		_, retained := usage["r30v2_users_all"]
		for what, shown := range map[string]bool{
			"active users": len(d.Active) > 0, "r30v2": d.Retention != nil, "growth": d.Growth != nil, "visitors": d.Daily != nil,
			"months": d.Months != nil, "dormant accounts": d.Dormancy != nil, "DAU of the usage report": daily, "r30v2 of the usage report": retained,
		} {
			if shown && c.says != "" || !shown && c.says == "" && what == "active users" {
				t.Errorf("%s: %s are shown: %v", name, what, shown)
			}
		}
		if len(d.Registered) == 0 || usage["total_users"] == 0 && name != "a new server" {
			t.Errorf("%s: accounts %v, %v in all", name, d.Registered, usage["total_users"])
		}
	}
}

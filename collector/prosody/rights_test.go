package prosody_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// The view that docs/prosody.md recommends is enough for the same figures.
func TestViewOfLeastPrivilege(t *testing.T) {
	documentation, err := os.ReadFile("../../docs/prosody.md")
	must.Succeed(t, err)
	_, statements, _ := strings.Cut(string(documentation), "```sql\n")
	statements, _, _ = strings.Cut(statements, "```")
	role := fmt.Sprintf("exporter_%d", time.Now().UnixNano())
	location := dbtest.PostgreSQL(t)
	dbtest.LoadDump(t, location, "testdata/12-pg/pg_dump_online.sql.gz")
	for statement := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(statements, "exporter", role)), ";") {
		if statement != "" {
			dbtest.Exec(t, location, statement)
		}
	}
	t.Cleanup(func() {
		dbtest.Exec(t, location, "DROP OWNED BY "+role, "DROP SCHEMA "+role+" CASCADE", "DROP ROLE "+role)
	})

	now, _ := loggedFigures(t, "12-pg")
	read := func(location string) (collector.Facts, figures) {
		source, err := sqldb.ParseSource(location)
		must.Succeed(t, err)
		calendar := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
		facts, err := prosody.New(prosody.Options{Database: source}, activity.SynapseClasses()).Read(t.Context(), time.Time{}, now, calendar)
		must.Succeed(t, err)
		return facts, count(calendar, facts, now)
	}
	facts, active := read(location)
	lesserFacts, lesserActive := read(strings.Replace(location, "postgres@", role+"@", 1))
	if diff := cmp.Diff(facts, lesserFacts) + cmp.Diff(active, lesserActive); diff != "" {
		t.Errorf("-all rights +the view:\n%s", diff)
	}
	if active["example.com"][0] == 0 {
		t.Error("nobody was active: the test says nothing")
	}
}

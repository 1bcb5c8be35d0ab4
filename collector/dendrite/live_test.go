package dendrite_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// writerVariable makes this test binary the process that writes.
const writerVariable = "ACTIVE_USERS_TEST_WRITE_TO"

// Dendrite keeps a rollback journal: a reader that locks the file makes logins fail.
// While the exporter reads again and again, a writer that does not wait for locks must
// never fail, and each reading must show a state that it has written: as many are
// registered as have a device that was seen within the hour.
func TestReadingNeverFailsALogin(t *testing.T) {
	if path := os.Getenv(writerVariable); path != "" {
		logInForever(t, path)
		return
	}
	db := onSQLite(t)
	w := newWorld(3, noon, 70, 40)
	db.run(w.statements()...)
	db.run(`DELETE FROM userapi_devices`, `DELETE FROM userapi_accounts`)
	path := strings.TrimPrefix(db.location, "sqlite:")

	writer := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReadingNeverFailsALogin$", "-test.v")
	writer.Env = append(os.Environ(), writerVariable+"="+path)
	var output bytes.Buffer
	writer.Stdout, writer.Stderr = &output, &output
	must.Succeed(t, writer.Start())

	r := dendrite.New(dendrite.Options{Database: source(t, db.location), ServerName: "w.example"}, activity.SynapseClasses())
	good, refused := 0, 0
	for deadline := time.Now().Add(30 * time.Second); (good < 300 || refused < 10) && time.Now().Before(deadline); {
		calendar := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
		facts, err := r.Read(t.Context(), time.Time{}, noon, calendar)
		switch {
		case err == nil:
			good++
			seen := calendar.ActiveAfter("w.example", noon.Add(-time.Hour), time.Time{}).Users
			if accounts := facts.Domains[0].Registered["native"]; accounts != seen {
				t.Fatalf("%d accounts, %d of whom were seen: not what was written", accounts, seen)
			}
		case failure.Of(err) == failure.Locked:
			refused++
		default:
			t.Fatal(err)
		}
	}
	must.WriteFile(t, path+".stop", "")
	if err := writer.Wait(); err != nil {
		t.Fatalf("the writer failed: %v\n%s", err, output.Bytes())
	}
	t.Logf("%d reads were good, %d found the file being written to; %s", good, refused, output.Bytes())
	if good < 20 {
		t.Errorf("only %d good reads", good)
	}
}

// logInForever registers users and logs them in, some milliseconds apart, until a file
// says stop. It fails at the first that fails.
func logInForever(t *testing.T, path string) {
	t.Helper()
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, pragma := range []string{`journal_mode = delete`, `busy_timeout = 0`, `synchronous = off`} {
		_, err := db.ExecContext(t.Context(), "PRAGMA "+pragma)
		must.Succeed(t, err)
	}
	written := 0
	for ; ; written++ {
		if _, err := os.Stat(path + ".stop"); err == nil {
			break
		}
		tx, err := db.BeginTxx(t.Context(), nil)
		must.Succeed(t, err)
		for _, statement := range []string{
			`INSERT INTO userapi_accounts (localpart, server_name, created_ts, account_type) VALUES ('new%[1]d', 'w.example', %[2]d, 1)`,
			`INSERT INTO userapi_devices (access_token, device_id, localpart, server_name, created_ts, last_seen_ts, user_agent) VALUES ('t%[1]d', 'D', 'new%[1]d', 'w.example', %[2]d, %[2]d, 'x')`,
		} {
			_, err = tx.ExecContext(t.Context(), fmt.Sprintf(statement, written, noon.UnixMilli()))
			must.Succeed(t, err)
		}
		must.Succeed(t, tx.Commit())
		time.Sleep(3 * time.Millisecond)
		if written%10 == 0 { // nobody logs in all the time; a busy machine needs longer for a read
			time.Sleep(200 * time.Millisecond)
		}
	}
	t.Logf("%d logins were written to %s", written, filepath.Base(path))
	if written < 20 {
		t.Errorf("only %d logins", written)
	}
}

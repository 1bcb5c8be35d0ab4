package history_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// childVariable makes the test's program one that records a visit of a further
// user at each refresh, and says so when it is saved.
const childVariable = "HISTORY_TEST_CHILD"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childVariable); folder != "" {
		child(folder)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func child(folder string) {
	signal.Ignore(syscall.SIGXFSZ) // a write beyond the limit then fails, as on a full disk
	s := history.New(storage.Folder(folder), "")
	cal := activity.NewCalendar(s.Key(), activity.SynapseClasses())
	ctx := context.Background()
	if _, err := s.Load(ctx, "server", cal, activity.SynapseClasses()); err != nil {
		_, _ = fmt.Fprintln(os.Stdout, "error", err)
		return
	}
	for n := len(cal.State("d").Hashes); ; n++ {
		cal = cal.Clone()
		cal.Seen([]byte("d"), user(n), 1, noon)
		cal.RecordVisits("d", noon)
		cal.Compact(today)
		if err := s.Save(ctx, "server", []string{"d"}, cal, activity.SynapseClasses(), saved); err != nil {
			_, _ = fmt.Fprintln(os.Stdout, "error", err)
			return
		}
		_, _ = fmt.Fprintln(os.Stdout, n+1)
	}
}

// run starts the child and returns the number of users that it said to have
// saved before it ended, or was killed after some of its messages.
func run(t *testing.T, folder string, messages int) (acknowledged int, failed bool) {
	t.Helper()
	self, err := os.Executable()
	must.Succeed(t, err)
	command := exec.CommandContext(t.Context(), self)
	command.Env = append(os.Environ(), childVariable+"="+folder)
	output, err := command.StdoutPipe()
	must.Succeed(t, err)
	must.Succeed(t, command.Start())
	lines := bufio.NewScanner(output)
	for n := 0; lines.Scan(); n++ {
		count, err := strconv.Atoi(lines.Text())
		if err != nil {
			failed = true
			break
		}
		acknowledged = count
		if n == messages {
			time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, func() { _ = command.Process.Kill() })
		}
	}
	_ = command.Wait()
	return acknowledged, failed
}

// recorded returns how many users the history holds, and checks the file.
func recorded(t *testing.T, folder string) int {
	t.Helper()
	db, err := sqldb.CreateSQLite(filepath.Join(folder, "history.db"))
	must.Succeed(t, err)
	var verdict string
	must.Succeed(t, db.GetContext(t.Context(), &verdict, `PRAGMA integrity_check`))
	must.Succeed(t, db.Close())
	if verdict != "ok" {
		t.Fatalf("integrity_check: %s", verdict)
	}
	s := history.New(storage.Folder(folder), "")
	cal, loaded := load(t, s)
	must.Succeed(t, s.Close())
	if loaded.Damage != nil {
		t.Fatalf("damage: %q", loaded.Damage)
	}
	_, growth := cal.Returning("d", noon)
	return growth.New
}

// Killed in the middle of 15 runs, nothing that was acknowledged is lost.
func TestNothingAcknowledgedIsLostByKill(t *testing.T) {
	folder := t.TempDir()
	total := 0
	for range 15 {
		acknowledged, failed := run(t, folder, rand.IntN(40))
		if failed {
			t.Fatal("the child failed")
		}
		found := recorded(t, folder)
		if found < acknowledged || found > acknowledged+1 {
			t.Fatalf("%d users found, %d acknowledged", found, acknowledged)
		}
		total = found
	}
	if total < 15 {
		t.Errorf("only %d updates in all", total)
	}
}

// A full disk fails a save and loses nothing; with room again, it goes on.
func TestAFullDiskLosesNothing(t *testing.T) {
	folder := t.TempDir()
	run(t, folder, 3)
	var before unix.Rlimit
	must.Succeed(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	var largest int64
	for _, name := range []string{"history.db", "history.db-wal"} {
		info, err := os.Stat(filepath.Join(folder, name))
		must.Succeed(t, err)
		largest = max(largest, info.Size())
	}
	// Children inherit the limit; this process writes nothing meanwhile.
	must.Succeed(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: uint64(largest) + 100_000, Max: before.Max}))
	acknowledged, failed := run(t, folder, 100_000)
	must.Succeed(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &before))
	if !failed || acknowledged == 0 {
		t.Fatalf("%d saved, failed: %v; want some, and then a failure", acknowledged, failed)
	}
	if found := recorded(t, folder); found < acknowledged {
		t.Errorf("%d users found, %d acknowledged", found, acknowledged)
	}
	more, failed := run(t, folder, 2)
	if failed || more <= acknowledged {
		t.Errorf("%d saved afterwards, failed: %v", more, failed)
	}
}

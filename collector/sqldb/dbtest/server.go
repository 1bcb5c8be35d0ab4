package dbtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A Server is a PostgreSQL of a test's own, which ends with the test.
type Server struct {
	// Location is the URL of a database in it, empty at first, for its owner.
	Location string

	bin, data, port string
	credential      *syscall.SysProcAttr
	settings        []string
	process         *exec.Cmd
	log             lockedBuffer
}

// A lockedBuffer is read while a process writes to it.
type lockedBuffer struct {
	mutex   sync.Mutex
	content bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.content.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.content.String()
}

// Statements returns how long statements took, of those that the setting
// log_min_duration_statement writes to the log.
func (s *Server) Statements() (took []time.Duration) {
	for line := range strings.SplitSeq(s.log.String(), "\n") {
		_, rest, _ := strings.Cut(line, "duration: ")
		text, _, found := strings.Cut(rest, " ms")
		if ms, err := strconv.ParseFloat(text, 64); found && err == nil {
			took = append(took, time.Duration(ms*float64(time.Millisecond)))
		}
	}
	return took
}

// StartPostgreSQL starts a private server with settings such as
// "shared_buffers=1GB". Where none is installed, the test is skipped; see
// Missing.
func StartPostgreSQL(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	s := &Server{bin: binaries(tb), port: FreePort(tb), settings: settings}
	directory := tb.TempDir()
	s.data = filepath.Join(directory, "data")
	s.credential = Unprivileged(tb, directory, "postgres")
	execute(tb, s.credential, filepath.Join(s.bin, "initdb"), "--pgdata="+s.data, "--username=postgres", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8")
	s.start(tb)
	return s
}

// Standby starts a hot standby of the server, which follows it.
func (s *Server) Standby(tb testing.TB) *Server {
	tb.Helper()
	standby := &Server{bin: s.bin, port: FreePort(tb), settings: s.settings, credential: s.credential}
	directory := tb.TempDir()
	_ = Unprivileged(tb, directory, "postgres")
	standby.data = filepath.Join(directory, "data")
	execute(tb, s.credential, filepath.Join(s.bin, "pg_basebackup"), "--pgdata="+standby.data, "--write-recovery-conf", "--checkpoint=fast",
		"--host=127.0.0.1", "--port="+s.port, "--username=postgres")
	standby.start(tb)
	return standby
}

// Stop stops the server as an operator does; Start starts it again.
func (s *Server) Stop() { s.end(syscall.SIGINT) } // fast shutdown

func (s *Server) end(signal syscall.Signal) {
	if s.process != nil {
		_ = s.process.Process.Signal(signal)
		_ = s.process.Wait()
		s.process = nil
	}
}

// Crash ends the server as a crash does: recovery follows when it is started again.
func (s *Server) Crash() { s.end(syscall.SIGQUIT) } // immediate shutdown

// Start starts a server that was stopped, with the same data and location.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	s.start(tb)
}

func (s *Server) start(tb testing.TB) {
	tb.Helper()
	arguments := []string{"-D", s.data, "-p", s.port}
	for _, setting := range append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"}, s.settings...) {
		arguments = append(arguments, "-c", setting)
	}
	s.process = exec.CommandContext(context.Background(), filepath.Join(s.bin, "postgres"), arguments...)
	s.process.SysProcAttr = s.credential
	s.process.Stderr = &s.log
	if err := s.process.Start(); err != nil {
		tb.Fatalf("start postgres: %v", err)
	}
	tb.Cleanup(s.Stop)
	s.Location = "postgres://postgres@127.0.0.1:" + s.port + "/postgres?sslmode=disable"
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		connection, err := pgx.Connect(tb.Context(), s.Location)
		if err == nil {
			_ = connection.Close(tb.Context())
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("postgres did not start: %v\n%s", err, s.log.String())
		}
	}
}

// CPU returns the processor time that the server has used so far, all of its
// processes together, in steps of 10 ms (Linux: /proc).
func (s *Server) CPU(tb testing.TB) time.Duration {
	tb.Helper()
	postmaster := strconv.Itoa(s.process.Process.Pid)
	const (
		parent                 = 1 // fields of /proc/PID/stat behind the name
		user, system           = 11, 12
		childUser, childSystem = 13, 14 // of children that have ended
		tick                   = 10 * time.Millisecond
	)
	var ticks int
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		Missing(tb, "no /proc to read the database's processor time from")
	}
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		_, rest, _ := strings.Cut(string(content), ") ")
		fields := strings.Fields(rest)
		var counted []int
		switch {
		case filepath.Base(filepath.Dir(path)) == postmaster:
			counted = []int{user, system, childUser, childSystem}
		case fields[parent] == postmaster:
			counted = []int{user, system}
		}
		for _, field := range counted {
			n, err := strconv.Atoi(fields[field])
			if err != nil {
				tb.Fatal(fmt.Errorf("%s: %w", path, err))
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * tick
}

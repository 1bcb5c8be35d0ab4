//go:build live

package live

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// root is a folder with a Debian in it, which test/live/root has made.
type root struct{ path string }

func (r *root) name() string { return filepath.Base(r.path) }

func (r *root) made() bool {
	_, err := os.Stat(filepath.Join(r.path, "packages.txt"))
	return err == nil
}

// version returns the upstream version of a package.
func (r *root) version(packaged string) string {
	list, _ := os.ReadFile(filepath.Join(r.path, "packages.txt"))
	match := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(packaged) + ` (?:\d+:)?([\d.]+)`).FindSubmatch(list)
	if match == nil {
		return "unknown"
	}
	return string(match[1])
}

// account returns the numbers of a user of the root.
func (r *root) account(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	users, err := os.ReadFile(filepath.Join(r.path, "etc/passwd"))
	must.Succeed(t, err)
	match := regexp.MustCompile(`(?m)^` + name + `:[^:]*:(\d+):(\d+):`).FindSubmatch(users)
	if match == nil {
		t.Fatalf("the root %s has no user %s", r.name(), name)
	}
	uid, err := strconv.ParseUint(string(match[1]), 10, 32)
	must.Succeed(t, err)
	gid, err := strconv.ParseUint(string(match[2]), 10, 32)
	must.Succeed(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// A place is a folder in a root that belongs to a server and goes with the test.
type place struct {
	root   *root
	inside string // its path for those in the root
	owner  *syscall.Credential
}

func (r *root) place(t *testing.T, owner string) *place {
	t.Helper()
	outside, err := os.MkdirTemp(filepath.Join(r.path, "srv"), owner)
	must.Succeed(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(outside) })
	p := &place{r, strings.TrimPrefix(outside, r.path), r.account(t, owner)}
	// Paths above are the operator's business; the folder is the group's too.
	must.Succeed(t, os.Chmod(outside, 0o750))
	must.Succeed(t, os.Chown(outside, int(p.owner.Uid), int(p.owner.Gid)))
	return p
}

// in is the path of a file for those in the root.
func (p *place) in(name string) string { return filepath.Join(p.inside, name) }

// out is the path of a file for the test.
func (p *place) out(name string) string { return filepath.Join(p.root.path, p.inside, name) }

// write writes a file that the server and its group may read.
func (p *place) write(t *testing.T, name, content string) string {
	t.Helper()
	must.Succeed(t, os.MkdirAll(filepath.Dir(p.out(name)), 0o755))
	must.Succeed(t, os.WriteFile(p.out(name), []byte(content), 0o640))
	must.Succeed(t, os.Chown(p.out(name), int(p.owner.Uid), int(p.owner.Gid)))
	return p.in(name)
}

// command is a program of the root, run by the owner of the place.
func (p *place) command(name string, arguments ...string) *exec.Cmd {
	// Cmd.Path is of the root: nothing is looked up outside.
	return &exec.Cmd{
		Path: name, Args: append([]string{name}, arguments...), Dir: p.inside,
		Env:         []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + p.inside, "LANG=C.UTF-8", "TMPDIR=" + p.inside},
		SysProcAttr: &syscall.SysProcAttr{Chroot: p.root.path, Credential: p.owner, Setpgid: true},
	}
}

// process is a server that runs until the test ends.
type process struct {
	command *exec.Cmd
	logged  string        // the path of what it says
	ended   chan struct{} // closed when it has ended
}

// start starts a server; what it says is in a file.
func (p *place) start(t *testing.T, command *exec.Cmd) *process {
	t.Helper()
	s := &process{command, p.out(filepath.Base(command.Path) + ".output"), make(chan struct{})}
	log, err := os.OpenFile(s.logged, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	must.Succeed(t, err)
	defer func() { _ = log.Close() }()
	command.Stdout, command.Stderr = log, log
	must.Succeed(t, command.Start())
	go func() {
		defer close(s.ended)
		_ = command.Wait()
	}()
	t.Cleanup(func() {
		s.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("%s said at last:\n%s", filepath.Base(command.Path), s.last(12))
		}
	})
	return s
}

// end sends a signal to the server and its helpers, and waits for its end.
func (s *process) end(signal syscall.Signal) {
	select {
	case <-s.ended:
	default:
		_ = syscall.Kill(-s.command.Process.Pid, signal)
		<-s.ended
	}
}

// log is all that the server has said so far.
func (s *process) log() string {
	said, _ := os.ReadFile(s.logged)
	return string(said)
}

func (s *process) last(lines int) string {
	all := strings.Split(strings.TrimSpace(s.log()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// run runs a program of the root to its end and returns what it prints.
func (p *place) run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	command := p.command(name, arguments...)
	var said, complaints bytes.Buffer
	command.Stdout, command.Stderr = &said, &complaints
	if err := command.Run(); err != nil {
		t.Fatalf("%s %.200q: %v\n%s%s", name, arguments, err, said.Bytes(), complaints.Bytes())
	}
	return said.String()
}

// listens waits until a port of loopback is open.
func (s *process) listens(t *testing.T, port string) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%s to listen", filepath.Base(s.command.Path)), func() bool {
		select {
		case <-s.ended:
			t.Fatalf("%s has ended", filepath.Base(s.command.Path))
		default:
		}
		connection, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
}

func freePort(t *testing.T) string {
	t.Helper()
	return dbtest.FreePort(t)
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

package prosody_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/xmpptest"
	"active_users_exporter/test/must"
)

// A real Prosody with real accounts and logins: its own
// mod_measure_active_users and we must count the same.
func TestFiguresEqualARunningProsodys(t *testing.T) {
	p := startProsody(t)
	for _, name := range []string{"online", "phone", "left", "never"} {
		p.ctl(t, "register", name, "example.com", "pw")
	}
	p.login(t, "online")
	p.login(t, "phone")
	p.login(t, "left").Leave(t, "gone")
	waitFor(t, "the logout to be stored", func() bool {
		content, _ := os.ReadFile(p.record("left"))
		return strings.Contains(string(content), "logout")
	})
	// The phone has been connected for three days.
	must.Succeed(t, os.WriteFile(p.record("phone"), []byte(login(strconv.FormatInt(time.Now().AddDate(0, 0, -3).Unix(), 10))), 0o600))

	p.shell(t, `module:reload("measure_active_users")`) // counts 15 seconds later
	var own figures
	waitFor(t, "Prosody to count", func() bool {
		own = p.ownFigures(t)
		return own["example.com"] != [3]int{}
	})

	socket := filepath.Join(p.data, "prosody.sock")
	got, facts := p.read(t, prosody.Options{DataPath: p.data, AdminSocket: socket, RequiredModules: []string{"in_trouble", "not_there"}})
	if diff := cmp.Diff(own, got); diff != "" {
		t.Errorf("-Prosody +ours:\n%s", diff)
	}
	if facts.Version == "" || facts.Domains[0].Online != collector.Known(2) || facts.Domains[0].Registered[collector.Native] != 4 {
		t.Errorf("version %q, %+v", facts.Version, facts.Domains[0])
	}
	want := map[string]collector.Module{
		"example.com/in_trouble": {Domain: "example.com", Name: "in_trouble", Status: collector.ModuleError, Loaded: true, Required: true},
		"example.com/so_so":      {Domain: "example.com", Name: "so_so", Status: collector.ModuleWarn, Loaded: true},
		"*/not_there":            {Domain: "*", Name: "not_there", Required: true},
		"*/admin_shell":          {Domain: "*", Name: "admin_shell", Loaded: true},
	}
	modules := make(map[string]collector.Module)
	for _, m := range facts.Modules {
		if _, ok := want[m.Domain+"/"+m.Name]; ok {
			modules[m.Domain+"/"+m.Name] = m
		}
	}
	if diff := cmp.Diff(want, modules); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}

	// Storage alone does not know that the phone is still connected.
	if got, _ := p.read(t, prosody.Options{DataPath: p.data}); got["example.com"] != [3]int{2, 3, 3} || own["example.com"] != [3]int{3, 3, 3} {
		t.Errorf("from storage %v, Prosody itself %v", got["example.com"], own["example.com"])
	}
}

// A Prosody as Debian installs it records no logins: the module that is missing is
// named. Once it is enabled, users who log in are counted.
func TestAStockProsodyRecordsNothing(t *testing.T) {
	p := startProsodyWith(t, strings.Replace(liveConfig, `"lastlog2", "measure_active_users", `, "", 1))
	p.ctl(t, "register", "u", "example.com", "pw")
	p.login(t, "u")
	configured, _, err := prosody.Kind().At(p.config)
	must.Succeed(t, err)
	_, facts := p.read(t, configured.(prosody.Options))
	if d := facts.Domains; len(d) != 1 || d[0].HasLastSeen || d[0].Registered[collector.Native] != 1 || !strings.Contains(d[0].NotRecorded, "add mod_lastlog2 of prosody-modules") {
		t.Errorf("%+v", d)
	}
	p.shell(t, `module:load("lastlog2", "example.com")`)
	p.login(t, "u")
	waitFor(t, "the login to be stored", func() bool { _, err := os.Stat(p.record("u")); return err == nil })
	got, facts := p.read(t, configured.(prosody.Options))
	if got["example.com"] != [3]int{1, 1, 1} || facts.Domains[0].NotRecorded != "" {
		t.Errorf("%v, %+v", got, facts.Domains)
	}
}

// The group may open the admin socket once the drop-in has run, as Prosody's user.
func TestTheRightToTheAdminSocket(t *testing.T) {
	p := startProsody(t)
	socket := filepath.Join(p.data, "prosody.sock")
	waitFor(t, "the socket, which Prosody opens after its ports", func() bool { _, err := os.Stat(socket); return err == nil })
	before, err := os.Stat(socket)
	must.Succeed(t, err)
	command := regexp.MustCompile(`(?m)^ExecStartPost=/bin/sh -c '(.*)'$`).FindStringSubmatch(must.ReadFile(t, "../../packaging/prosody-admin-socket.conf"))
	run := exec.CommandContext(t.Context(), "/bin/sh", "-c", strings.ReplaceAll(command[1], "/var/lib/prosody/prosody.sock", socket))
	run.SysProcAttr = p.attr
	must.Succeed(t, run.Run())
	after, err := os.Stat(socket)
	must.Succeed(t, err)
	const write = 0o020
	if before.Mode()&write != 0 || after.Mode()&write == 0 {
		t.Errorf("the group's right to write: %v before, %v after", before.Mode(), after.Mode())
	}
	_, facts := p.read(t, prosody.Options{DataPath: p.data, AdminSocket: socket})
	if facts.OnlineErr != nil {
		t.Errorf("it does not answer any longer: %v", facts.OnlineErr)
	}
}

// liveProsody is a private Prosody.
type liveProsody struct {
	config, data string
	c2s, http    string
	attr         *syscall.SysProcAttr
}

const liveConfig = `
data_path = %q; pidfile = %q; plugin_paths = { %q }
interfaces = { "127.0.0.1" }; c2s_ports = { %s }; http_ports = { %s }
s2s_ports = {}; https_ports = {}; c2s_direct_tls_ports = {}; modules_disabled = { "s2s", "tls" }
c2s_require_encryption = false; allow_unencrypted_plain_auth = true; authentication = "internal_plain"
statistics = "internal"; statistics_interval = "manual"
modules_enabled = { "saslauth", "admin_shell", "http_openmetrics", "lastlog2", "measure_active_users", "in_trouble", "so_so" }
log = { warn = %q }
VirtualHost "example.com"
`

func startProsody(t *testing.T) *liveProsody {
	t.Helper()
	return startProsodyWith(t, liveConfig)
}

func startProsodyWith(t *testing.T, config string) *liveProsody {
	t.Helper()
	binary, err := exec.LookPath("prosody")
	if err != nil {
		dbtest.Missing(t, "no Prosody installed")
	}
	directory, err := os.MkdirTemp("", "prosody") // short: the socket's path must fit into 107 bytes
	must.Succeed(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	p := &liveProsody{config: filepath.Join(directory, "prosody.cfg.lua"), data: filepath.Join(directory, "data"), c2s: dbtest.FreePort(t), http: dbtest.FreePort(t)}
	must.Succeed(t, os.Mkdir(p.data, 0o755))
	for module, state := range map[string]string{"in_trouble": "error", "so_so": "warn"} {
		write(t, filepath.Join(directory, "modules", "mod_"+module+".lua"), fmt.Sprintf("module:set_status(%q, \"on purpose\")\n", state))
	}
	write(t, p.config, fmt.Sprintf(config, p.data, filepath.Join(directory, "pid"), filepath.Join(directory, "modules"), p.c2s, p.http, filepath.Join(directory, "log")))
	p.attr = asProsody(t, directory)
	server := exec.CommandContext(t.Context(), binary, "-F", "--config", p.config)
	server.SysProcAttr = p.attr
	must.Succeed(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Signal(syscall.SIGTERM); _ = server.Wait() })
	waitFor(t, "Prosody to listen", func() bool {
		connection, err := net.Dial("tcp", "127.0.0.1:"+p.c2s)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
	return p
}

// asProsody returns how to run a program as the user prosody, who is given the
// directory: Prosody refuses to run as root.
func asProsody(t *testing.T, directory string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	account, err := user.Lookup("prosody")
	if err != nil {
		dbtest.Missing(t, "Prosody does not run as root, and there is no user prosody")
	}
	uid, err := strconv.Atoi(account.Uid)
	must.Succeed(t, err)
	gid, err := strconv.Atoi(account.Gid)
	must.Succeed(t, err)
	must.Succeed(t, filepath.WalkDir(directory, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, gid)
	}))
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// record is the file of a user's logins.
func (p *liveProsody) record(user string) string {
	return filepath.Join(p.data, "example%2ecom", "lastlog2", user+".dat")
}

func (p *liveProsody) ctl(t *testing.T, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "prosodyctl", append([]string{"--config", p.config}, args...)...)
	command.SysProcAttr = p.attr
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("prosodyctl %v: %v\n%s", args, err, output)
	}
}

func (p *liveProsody) shell(t *testing.T, line string) {
	t.Helper()
	p.ctl(t, "shell", line)
}

// login connects a client that stays online.
func (p *liveProsody) login(t *testing.T, user string) *xmpptest.Client {
	t.Helper()
	return xmpptest.Login(t, "127.0.0.1:"+p.c2s, "example.com", user, "pw")
}

// ownFigures are what Prosody's own metrics say.
func (p *liveProsody) ownFigures(t *testing.T) figures {
	t.Helper()
	response, err := http.Get("http://127.0.0.1:" + p.http + "/metrics")
	must.Succeed(t, err)
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	must.Succeed(t, err)
	http.DefaultClient.CloseIdleConnections()
	own := make(figures)
	for _, match := range regexp.MustCompile(`(?m)^prosody_mod_measure_active_users__active_users_(1|7|30)d\{host="([^"]*)"\} (\d+)`).FindAllStringSubmatch(string(page), -1) {
		users := own[match[2]]
		n, err := strconv.Atoi(match[3])
		must.Succeed(t, err)
		users[map[string]int{"1": 0, "7": 1, "30": 2}[match[1]]] = n
		own[match[2]] = users
	}
	return own
}

func (p *liveProsody) read(t *testing.T, o prosody.Options) (figures, collector.Facts) {
	t.Helper()
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	at := time.Now()
	facts, err := prosody.New(o, activity.SynapseClasses()).Read(t.Context(), time.Time{}, at, cal)
	must.Succeed(t, err)
	return count(cal, facts, at), facts
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

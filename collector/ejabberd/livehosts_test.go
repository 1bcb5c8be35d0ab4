package ejabberd_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/xmpptest"
	"active_users_exporter/test/must"
)

// manyHosts has a host for each way in which a migration was left half done, and for each
// whose accounts ejabberd cannot list.
const manyHosts = `
hosts: [last.example, accounts.example, Mnesia.Example, bücher.example, jwt.example, external.example, guests.example]
default_db: sql
new_sql_schema: true
sm_db_type: sql
auth_method: sql
modules: {mod_last: {}, mod_admin_extra: {}, mod_roster: {}}
jwt_key: FOLDER/jwk
extauth_program: FOLDER/external
host_config:
  last.example: {modules: {mod_last: {db_type: mnesia}, mod_admin_extra: {}, mod_roster: {}}}
  accounts.example: {auth_method: internal}
  mnesia.example: {default_db: mnesia, auth_method: internal}
  jwt.example: {auth_method: jwt}
  external.example: {auth_method: external}
  guests.example: {auth_method: anonymous, anonymous_protocol: login_anon}
`

// anybody is a program for external authentication that lets everybody in.
const anybody = `#!/usr/bin/python3
import struct, sys
while True:
    length = sys.stdin.buffer.read(2)
    if len(length) < 2: break
    sys.stdin.buffer.read(struct.unpack(">H", length)[0])
    sys.stdout.buffer.write(b"\0\2\0\1")
    sys.stdout.buffer.flush()
`

// token returns a JSON Web Token for a user, signed with the key in FOLDER/jwk.
func token(user, host string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil, `{"jid":"%s@%s","exp":%d}`, user, host, time.Now().Add(time.Hour).Unix()))
	signature := hmac.New(sha256.New, []byte("secret"))
	_, _ = signature.Write([]byte(text))
	return text + "." + encode(signature.Sum(nil))
}

// execute runs statements in the database of a running server, which waits for nobody.
func (e *liveEjabberd) execute(t *testing.T, statements ...string) {
	t.Helper()
	db := must.Get(sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: e.database(), RawQuery: "_pragma=busy_timeout(5000)"}).String()))(t)
	defer func() { _ = db.Close() }()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		must.Succeed(t, err)
	}
}

// Each host of a real ejabberd has the figures of the records that it keeps now, and not
// those of the rows that an earlier configuration left in the database.
func TestHostsOfARunningServer(t *testing.T) {
	e := startEjabberdWithHosts(t)
	alone := must.Get(configuredBy(e.in("ejabberd.yml")))(t)
	running := alone
	running.API = e.api
	check := func(what string, o ejabberd.Options, at time.Time, want map[string]figure, warnings ...string) {
		t.Helper()
		var got map[string]figure
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) { // logouts are being stored
			found, facts, err := read(t, o, at)
			got = found
			if err == nil && cmp.Equal(want, got, cmp.AllowUnexported(figure{})) {
				if diff := cmp.Diff(warnings, facts.Warnings); diff != "" {
					t.Errorf("%s: warnings (-want +got):\n%s", what, diff)
				}
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("%s: error %v (-want +got):\n%s", what, err, cmp.Diff(want, got, cmp.AllowUnexported(figure{})))
				return
			}
		}
	}
	const unserved = `records of "gone.example" are left out: the server does not serve this domain`
	want := map[string]figure{
		"last.example":     {3, 3, 3, 3, 3, 0},
		"accounts.example": {1, 1, 1, 2, -1, 0},
		"mnesia.example":   {2, 2, 2, 2, -1, 1},
		"bücher.example":   {1, 1, 1, 1, 1, 0},
		"jwt.example":      {2, 2, 2, -1, -1, 1},
		"external.example": {2, 2, 2, -1, -1, 1},
		"guests.example":   {1, 1, 1, -1, -1, 1},
	}
	check("with the API", running, time.Now(), want, unserved)
	// Sessions are in the database as well.
	records := map[string]figure{
		"last.example":     {-1, -1, -1, 3, 3, 0},
		"accounts.example": {1, 1, 1, -1, -1, 0},
		"mnesia.example":   {-1, -1, -1, -1, -1, 1},
		"bücher.example":   {1, 1, 1, 1, 1, 0},
		"jwt.example":      {2, 2, 2, -1, -1, 1},
		"external.example": {2, 2, 2, -1, -1, 1},
		"guests.example":   {1, 1, 1, -1, -1, 1},
	}
	check("the database alone", alone, time.Now(), records, unserved)

	// The sessions of a node that is killed stay, and are believed for a day.
	e.kill()
	check("just after it was killed", alone, time.Now(), records, unserved)
	tomorrow := time.Now().Add(25 * time.Hour)
	check("a day after it was killed", alone, tomorrow, map[string]figure{
		"last.example":     {-1, -1, -1, 3, 0, -1},
		"accounts.example": {0, 1, 1, -1, -1, -1},
		"mnesia.example":   {-1, -1, -1, -1, -1, -1},
		"bücher.example":   {0, 1, 1, 1, 0, -1},
		"jwt.example":      {0, 1, 1, -1, -1, -1},
		"external.example": {0, 1, 1, -1, -1, -1},
		"guests.example":   {0, 0, 0, -1, -1, -1},
	}, "the table sm has sessions that are left out: on 1 of its nodes none began within 24 hours, so they were probably killed and left their rows behind", unserved)

	// A stop in order may store no logout either: the table last has what ejabberd itself
	// finds when it starts again. The session stays as after a kill.
	e.boot(t)
	for _, user := range []string{"j1", "j2"} {
		e.command(t, "set_last", map[string]any{"user": user, "host": "jwt.example", "timestamp": time.Now().AddDate(0, 0, -3).Unix(), "status": "gone"})
	}
	xmpptest.Login(t, e.clients, "jwt.example", "j1", token("j1", "jwt.example"))
	e.stop(t)
	withSessions, _, err := read(t, alone, time.Now())
	must.Succeed(t, err)
	alone.Hosts["jwt.example"] = ejabberd.Host{Last: chatserver.InSQL, Accounts: chatserver.Unlisted}
	lastAlone, _, err := read(t, alone, time.Now())
	must.Succeed(t, err)
	e.boot(t)
	if own := e.activeToday(t, "jwt.example", "j1", "j2"); lastAlone["jwt.example"].day != own || withSessions["jwt.example"].day != 1 {
		t.Errorf("after a stop in order: the table last has %d of the day, and ejabberd %d; with sessions: %+v", lastAlone["jwt.example"].day, own, withSessions["jwt.example"])
	}
}

// activeToday counts users by what the server itself says of each.
func (e *liveEjabberd) activeToday(t *testing.T, host string, users ...string) (active int) {
	t.Helper()
	for _, user := range users {
		answer := must.Get(e.all.Post(t.Context(), "get_last", map[string]string{"user": user, "host": host}))(t)
		var last struct{ Timestamp time.Time }
		must.Succeed(t, json.Unmarshal(answer, &last))
		if time.Since(last.Timestamp) < 24*time.Hour {
			active++
		}
	}
	return active
}

// startEjabberdWithHosts starts it with rows of earlier configurations, and lets people
// come and go on each host.
func startEjabberdWithHosts(t *testing.T) *liveEjabberd {
	t.Helper()
	e := startEjabberd(t, manyHosts, map[string]string{
		"jwk": `{"kty":"oct","k":"` + base64.RawURLEncoding.EncodeToString([]byte("secret")) + `"}`, "external": anybody,
	})
	ago := time.Now().AddDate(0, 0, -40).Unix()
	for _, host := range []string{"last.example", "gone.example", "mnesia.example"} {
		e.execute(t, fmt.Sprintf(`INSERT INTO last (username, server_host, seconds, state) VALUES ('old1', '%[1]s', '%[2]d', ''), ('old2', '%[1]s', '%[2]d', '')`, host, ago))
	}
	for n := range 15 {
		for _, host := range []string{"accounts.example", "gone.example", "mnesia.example", "jwt.example"} {
			e.execute(t, fmt.Sprintf(`INSERT INTO users (username, server_host, password) VALUES ('old%d', '%s', '')`, n, host))
		}
	}
	come := func(user, host, password string) *xmpptest.Client {
		return xmpptest.Login(t, e.clients, host, user, password)
	}
	for host, users := range map[string][]string{"last.example": {"n1", "n2", "n3"}, "accounts.example": {"m1", "m2"}, "mnesia.example": {"w1", "w2"}, "bücher.example": {"b1"}} {
		for _, user := range users {
			e.command(t, "register", map[string]any{"user": user, "host": host, "password": "pw"})
			if user == "m2" { // never
				continue
			}
			if client := come(user, host, "pw"); user != "w2" {
				client.Leave(t, "bye")
			}
		}
	}
	come("j1", "jwt.example", token("j1", "jwt.example"))
	come("j2", "jwt.example", token("j2", "jwt.example")).Leave(t, "bye")
	come("x1", "external.example", "pw")
	come("x2", "external.example", "pw").Leave(t, "bye")
	come("guest", "guests.example", "pw")
	return e
}

func configuredBy(path string) (ejabberd.Options, error) {
	source, _, err := ejabberd.Kind().At(path)
	if err != nil {
		return ejabberd.Options{}, err
	}
	return source.(ejabberd.Options), nil
}

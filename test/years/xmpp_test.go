package years_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/test/must"
)

// oneTime is a server that keeps one time for each user, and no visits.
type oneTime struct{}

func (oneTime) visit(int, int, account) (activity.Day, time.Time) { return 0, time.Time{} }
func (oneTime) visited(int, int, activity.Day)                    {}
func (oneTime) deleteVisits(activity.Day)                         {}

// ejabberdServer writes what ejabberd writes, with the multihost schema.
type ejabberdServer struct {
	database
	oneTime
}

func newEjabberd(t *testing.T, folder string) server {
	s := &ejabberdServer{database: database{t: t, path: filepath.Join(folder, "ejabberd.db")}}
	s.open()
	s.run(`CREATE TABLE last (username text NOT NULL, server_host text NOT NULL, seconds text NOT NULL, state text NOT NULL, PRIMARY KEY (server_host, username))`)
	s.run(`CREATE TABLE users (username text NOT NULL, server_host text NOT NULL, type smallint NOT NULL, password text NOT NULL, created_at timestamp NOT NULL, PRIMARY KEY (server_host, username, type))`)
	s.run(`CREATE TABLE sm (usec bigint NOT NULL, pid text NOT NULL, node text NOT NULL, username text NOT NULL, server_host text NOT NULL, resource text NOT NULL, priority text NOT NULL, info text NOT NULL, PRIMARY KEY (usec, pid))`)
	return s
}

func (s *ejabberdServer) reader(*activity.Classes) collector.Reader {
	return ejabberd.New(ejabberd.Options{Databases: []ejabberd.Database{{Source: s.source()}}})
}

func (s *ejabberdServer) write(user int, a account) {
	name := userName(user)
	if a.gone {
		s.run(`DELETE FROM users WHERE username = ?`, name)
		s.run(`DELETE FROM last WHERE username = ?`, name)
		s.run(`DELETE FROM sm WHERE username = ?`, name)
		return
	}
	s.writeSession(name, a.connected)
	s.run(`INSERT INTO users VALUES (?, ?, 1, '', ?) ON CONFLICT DO NOTHING`, name, domain, a.created.Format(time.DateTime))
	seconds, state := fmt.Sprint(a.created.Unix()), "Registered but didn't login"
	if !a.last().IsZero() {
		seconds, state = fmt.Sprint(a.last().Unix()), ""
	}
	if a.damaged {
		seconds = "\x00"
	}
	s.run(`INSERT INTO last VALUES (?, ?, ?, ?) ON CONFLICT (server_host, username) DO UPDATE SET seconds = excluded.seconds, state = excluded.state`, name, domain, seconds, state)
}

// mongooseimServer writes what MongooseIM writes.
type mongooseimServer struct {
	database
	oneTime
}

func newMongooseIM(t *testing.T, folder string) server {
	s := &mongooseimServer{database: database{t: t, path: filepath.Join(folder, "mongooseim.db")}}
	s.open()
	s.run(`CREATE TABLE last (server varchar(250) NOT NULL, username varchar(250) NOT NULL, seconds int NOT NULL, state text NOT NULL, PRIMARY KEY (server, username))`)
	s.run(`CREATE TABLE users (server varchar(250) NOT NULL, username varchar(250) NOT NULL, password text NOT NULL, created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (server, username))`)
	return s
}

func (s *mongooseimServer) reader(*activity.Classes) collector.Reader {
	return mongooseim.New(mongooseim.Options{Database: s.source()})
}

// write writes a last-seen time when somebody leaves. Who never came has none.
func (s *mongooseimServer) write(user int, a account) {
	name := userName(user)
	if a.gone {
		s.run(`DELETE FROM users WHERE username = ?`, name)
		s.run(`DELETE FROM last WHERE username = ?`, name)
		return
	}
	s.run(`INSERT INTO users VALUES (?, ?, '', ?) ON CONFLICT DO NOTHING`, domain, name, a.created.Format(time.DateTime))
	if !a.last().IsZero() {
		s.run(`INSERT INTO last VALUES (?, ?, ?, '') ON CONFLICT (server, username) DO UPDATE SET seconds = excluded.seconds`, domain, name, a.last().Unix())
	}
}

// prosodyServer writes what Prosody writes: a file for each store and user, which is
// replaced as a whole.
type prosodyServer struct {
	oneTime
	t       *testing.T
	path    string
	written int
}

func newProsody(t *testing.T, folder string) server {
	s := &prosodyServer{t: t, path: filepath.Join(folder, "prosody")}
	for _, store := range []string{"accounts", "lastlog2"} {
		must.Succeed(t, os.MkdirAll(s.store(store), 0o700))
	}
	return s
}

func (s *prosodyServer) store(name string) string {
	return filepath.Join(s.path, "example%2eorg", name)
}

func (s *prosodyServer) reader(classes *activity.Classes) collector.Reader {
	return prosody.New(prosody.Options{DataPath: s.path}, classes)
}

func (s *prosodyServer) write(user int, a account) {
	account, login := filepath.Join(s.store("accounts"), userName(user)+".dat"), filepath.Join(s.store("lastlog2"), userName(user)+".dat")
	if a.gone {
		_ = os.Remove(account)
		_ = os.Remove(login)
		return
	}
	fields := ""
	if a.disabled {
		fields = "\t[\"disabled\"] = true;\n"
	}
	s.replace(account, "return {\n"+fields+"\t[\"iteration_count\"] = 10000;\n};\n")
	switch {
	case a.damaged:
		s.replace(login, "return {\n\t[\"login\"] = {")
	case !a.last().IsZero():
		s.replace(login, fmt.Sprintf("return {\n\t[\"login\"] = {\n\t\t[\"timestamp\"] = %d;\n\t};\n};\n", a.last().Unix()))
	}
}

// replace writes a file as Prosody does. No two have the same time, since refreshes
// come within moments here.
func (s *prosodyServer) replace(path, content string) {
	must.Succeed(s.t, os.WriteFile(path+"~", []byte(content), 0o600))
	s.written++
	at := time.Unix(1_700_000_000+int64(s.written), 0)
	must.Succeed(s.t, os.Chtimes(path+"~", at, at))
	must.Succeed(s.t, os.Rename(path+"~", path))
}

func (s *prosodyServer) tidy(time.Time) {}
func (s *prosodyServer) close()         {}

func (s *prosodyServer) move(away bool) {
	from, to := s.path, s.path+".away"
	if !away {
		from, to = to, from
	}
	must.Succeed(s.t, os.Rename(from, to))
}

func (s *prosodyServer) backup() (restore func()) {
	saved := must.Get(os.MkdirTemp(filepath.Dir(s.path), "backup"))(s.t)
	must.Succeed(s.t, os.CopyFS(saved+"/data", os.DirFS(s.path)))
	return func() {
		must.Succeed(s.t, os.RemoveAll(s.path))
		must.Succeed(s.t, os.CopyFS(s.path, os.DirFS(saved+"/data")))
	}
}

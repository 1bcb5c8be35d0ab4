package years_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/test/must"
)

// prosodyServer writes what Prosody writes: a file for each store and user, which is
// replaced as a whole.
type prosodyServer struct {
	t       *testing.T
	path    string
	written int
}

func newProsody(t *testing.T, folder string) *prosodyServer {
	s := &prosodyServer{t: t, path: filepath.Join(folder, "prosody")}
	for _, store := range []string{"accounts", "lastlog2"} {
		must.Succeed(t, os.MkdirAll(s.store(store), 0o700))
	}
	return s
}

func (s *prosodyServer) store(name string) string {
	return filepath.Join(s.path, "example%2eorg", name)
}

func (s *prosodyServer) reader() collector.Reader {
	return prosody.New(prosody.Options{DataPath: s.path}, activity.SynapseClasses())
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
	case !a.last.IsZero():
		s.replace(login, fmt.Sprintf("return {\n\t[\"login\"] = {\n\t\t[\"timestamp\"] = %d;\n\t};\n};\n", a.last.Unix()))
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

func (s *prosodyServer) visit(int, time.Time) {}
func (s *prosodyServer) tidy(time.Time)       {}
func (s *prosodyServer) close()               {}

func (s *prosodyServer) move(away bool) {
	from, to := s.path, s.path+".away"
	if !away {
		from, to = to, from
	}
	must.Succeed(s.t, os.Rename(from, to))
}

func (s *prosodyServer) backup() (restore func()) {
	saved := s.t.TempDir()
	must.Succeed(s.t, os.CopyFS(saved+"/data", os.DirFS(s.path)))
	return func() {
		must.Succeed(s.t, os.RemoveAll(s.path))
		must.Succeed(s.t, os.CopyFS(s.path, os.DirFS(saved+"/data")))
	}
}

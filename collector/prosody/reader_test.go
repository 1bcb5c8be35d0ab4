package prosody_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/test/must"
)

// now is 2025-06-15 12:00:00 UTC.
var now = time.Unix(1749988800, 0)

func login(timestamp string) string {
	return "return {\n\t[\"login\"] = {\n\t\t[\"timestamp\"] = " + timestamp + ";\n\t};\n};\n"
}

func active(timestamp string) string { return "return {\n\t[\"timestamp\"] = " + timestamp + ";\n};\n" }

// read reads a data directory in which example.org has the given files.
func read(t *testing.T, files map[string]string) (figures, collector.Facts) {
	t.Helper()
	directory := t.TempDir()
	for name, content := range files {
		write(t, filepath.Join(directory, "example%2eorg", name), content)
	}
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	facts, err := prosody.New(prosody.Options{DataPath: directory}, activity.SynapseClasses()).Read(t.Context(), time.Time{}, now, cal)
	must.Succeed(t, err)
	return count(cal, facts, now), facts
}

func TestWhoIsActive(t *testing.T) {
	for name, c := range map[string]struct {
		record string // of lastlog2 and, where it is one, of account_activity
		want   [3]int
	}{
		"now":                         {login("1749988800"), [3]int{1, 1, 1}},
		"a second less than a day":    {login("1749902401"), [3]int{1, 1, 1}},
		"a day":                       {login("1749902400"), [3]int{0, 1, 1}},
		"half a second less":          {login("1749902400.5"), [3]int{1, 1, 1}},
		"a millionth less":            {login("1749902400.000001"), [3]int{1, 1, 1}},
		"half a second more":          {login("1749902399.5"), [3]int{0, 1, 1}},
		"a week":                      {login("1749384000"), [3]int{0, 0, 1}},
		"a second less than a week":   {login("1749384001"), [3]int{0, 1, 1}},
		"thirty days":                 {login("1747396800"), [3]int{0, 0, 0}},
		"a second less":               {login("1747396801"), [3]int{0, 0, 1}},
		"in the future":               {login("1753444800"), [3]int{1, 1, 1}},
		"in the endless future":       {login("(1/0)"), [3]int{1, 1, 1}},
		"farther than time reaches":   {login("1e300"), [3]int{1, 1, 1}},
		"the endless past":            {login("(-1/0)"), [3]int{0, 0, 0}},
		"no number":                   {login("(0/0)"), [3]int{0, 0, 0}},
		"zero is never":               {login("0"), [3]int{0, 0, 0}},
		"negative":                    {login("-5000"), [3]int{0, 0, 0}},
		"login after logout":          {`return { login = { timestamp = 1749988799 }, logout = { timestamp = 1 } }`, [3]int{1, 1, 1}},
		"logout after login":          {`return { login = { timestamp = 1 }, logout = { timestamp = 1749988799 } }`, [3]int{1, 1, 1}},
		"registration does not count": {`return { registered = { timestamp = 1749988799 } }`, [3]int{0, 0, 0}},
		"a room on a component":       {`return { ["rooms.example.org"] = { timestamp = 1749988799 } }`, [3]int{0, 0, 0}},
		"an address is ignored":       {`return { login = { ip = "192.0.2.1", timestamp = 1749988799 } }`, [3]int{1, 1, 1}},
		"nothing":                     {`return {}`, [3]int{0, 0, 0}},
		"nil":                         {`return nil`, [3]int{0, 0, 0}},
	} {
		got, facts := read(t, map[string]string{"lastlog2/u.dat": c.record})
		if got["example.org"] != c.want || facts.Domains[0].Damaged != 0 {
			t.Errorf("%s: %v and %d damaged, want %v", name, got["example.org"], facts.Domains[0].Damaged, c.want)
		}
	}
}

func TestStoresAndAccounts(t *testing.T) {
	const enabled, disabled = "return {\n\t[\"created\"] = 1;\n};\n", "return {\n\t[\"disabled\"] = true;\n};\n"
	recent, old := "1749988700", "1749500000"
	for name, c := range map[string]struct {
		files map[string]string
		want  [3]int
	}{
		"Prosody 0.12":             {map[string]string{"lastlog2/u.dat": login(recent), "accounts/u.dat": enabled}, [3]int{1, 1, 1}},
		"Prosody 0.12, no account": {map[string]string{"lastlog2/u.dat": login(recent), "accounts/v.dat": enabled}, [3]int{1, 1, 1}},
		"Prosody 13":               {map[string]string{"account_activity/u.dat": active(recent), "accounts/u.dat": enabled}, [3]int{1, 1, 1}},
		"Prosody 13, no account":   {map[string]string{"account_activity/u.dat": active(recent), "accounts/v.dat": enabled}, [3]int{0, 0, 0}},
		"accounts kept elsewhere":  {map[string]string{"account_activity/u.dat": active(recent)}, [3]int{1, 1, 1}},
		"disabled":                 {map[string]string{"account_activity/u.dat": active(recent), "accounts/u.dat": disabled}, [3]int{0, 0, 0}},
		"disabled, lastlog2":       {map[string]string{"lastlog2/u.dat": login(recent), "accounts/u.dat": disabled}, [3]int{0, 0, 0}},
		"enabled again":            {map[string]string{"lastlog2/u.dat": login(recent), "accounts/u.dat": `return { disabled = false }`}, [3]int{1, 1, 1}},
		"the later of both, new":   {map[string]string{"lastlog2/u.dat": login(old), "account_activity/u.dat": active(recent), "accounts/u.dat": enabled}, [3]int{1, 1, 1}},
		"the later of both, old":   {map[string]string{"lastlog2/u.dat": login(recent), "account_activity/u.dat": active(old), "accounts/u.dat": enabled}, [3]int{1, 1, 1}},
		"counted once":             {map[string]string{"lastlog2/u.dat": login(recent), "account_activity/u.dat": active(recent), "accounts/u.dat": enabled}, [3]int{1, 1, 1}},
		"one in each": {map[string]string{
			"lastlog2/u.dat": login(recent), "account_activity/v.dat": active(old), "accounts/u.dat": enabled, "accounts/v.dat": enabled,
		}, [3]int{1, 2, 2}},
	} {
		got, _ := read(t, c.files)
		if got["example.org"] != c.want {
			t.Errorf("%s: %v, want %v", name, got["example.org"], c.want)
		}
	}
}

// Nobody is left, say the records: that is said, as it is hardly what they mean.
func TestEverybodyIsDisabled(t *testing.T) {
	const disabled = "return {\n\t[\"disabled\"] = true;\n};\n"
	files := map[string]string{
		"account_activity/u.dat": active("1749988700"), "accounts/u.dat": disabled,
		"account_activity/v.dat": active("1749988700"), "accounts/v.dat": disabled,
		"account_activity/w.dat": active("1"), "accounts/w.dat": "return {};\n", // two decades ago
	}
	rows := []row{
		{"u", "account_activity", "timestamp", "number", "1749988700"},
		{"u", "accounts", "disabled", "boolean", "true"},
		{"v", "account_activity", "timestamp", "number", "1749988700"},
		{"v", "accounts", "disabled", "boolean", "true"},
		{"w", "account_activity", "timestamp", "number", "1"},
		{"w", "accounts", "password", "string", "pw"},
	}
	check := func(what string, warns bool) {
		t.Helper()
		got, inFiles := read(t, files)
		_, inDatabase, err := readRows(t, rows...)
		must.Succeed(t, err)
		for where, facts := range map[string]collector.Facts{"files": inFiles, "database": inDatabase} {
			if said := strings.Join(facts.Warnings, "; "); strings.Contains(said, "example.org: the 2 accounts with activity are all disabled") != warns {
				t.Errorf("%s, %s: warnings %q", what, where, said)
			}
		}
		if !warns && got["example.org"] != [3]int{1, 1, 1} {
			t.Errorf("%s: %v", what, got)
		}
	}
	check("all who were there", true)
	files["account_activity/x.dat"], files["accounts/x.dat"] = active("1749988700"), "return {};\n"
	rows = append(rows, row{"x", "account_activity", "timestamp", "number", "1749988700"}, row{"x", "accounts", "password", "string", "pw"})
	check("all but one", false)
}

func TestWhatIsNotStoredIsUnknown(t *testing.T) {
	_, facts := read(t, map[string]string{"accounts/u.dat": "return {};\n"})
	want := []collector.DomainFacts{{Name: "example.org", Registered: map[collector.AccountType]int{collector.Native: 1}, AllAccounts: true, NotRecorded: facts.Domains[0].NotRecorded}}
	for _, module := range []string{"mod_lastlog2", "mod_account_activity"} {
		if !strings.Contains(facts.Domains[0].NotRecorded, module) {
			t.Errorf("%s is not named: %q", module, facts.Domains[0].NotRecorded)
		}
	}
	if diff := cmp.Diff(want, facts.Domains); diff != "" {
		t.Errorf("accounts alone (-want +got):\n%s", diff)
	}
	_, facts = read(t, map[string]string{"lastlog2/u.dat": login("5")})
	want = []collector.DomainFacts{{Name: "example.org", HasLastSeen: true}}
	if diff := cmp.Diff(want, facts.Domains); diff != "" {
		t.Errorf("activity alone (-want +got):\n%s", diff)
	}
}

func TestFilesThatAreNoRecordsAreIgnored(t *testing.T) {
	got, facts := read(t, map[string]string{
		"lastlog2/u.dat":  login("1749988700"),
		"lastlog2/v.dat~": login("1749988700"), "lastlog2/w.list": "item({});", "lastlog2/.dat": login("1749988700"), "lastlog2/x": "",
		"accounts/u.dat": "return {};\n", "accounts/u.dat~": "return {", "roster/u.dat": "nonsense",
	})
	want := []collector.DomainFacts{{Name: "example.org", HasLastSeen: true, Registered: map[collector.AccountType]int{collector.Native: 1}, AllAccounts: true}}
	if diff := cmp.Diff(want, facts.Domains); diff != "" || got["example.org"] != [3]int{1, 1, 1} {
		t.Errorf("%v (-want +got):\n%s", got, diff)
	}
}

// A damaged record costs that record: it is counted, told of without the
// user's name, and the others go on.
func TestDamagedRecords(t *testing.T) {
	for name, content := range map[string]string{
		"empty":                 "",
		"cut off":               "return {\n\t[\"login\"] = {\n",
		"garbage":               "\x00\xff\x13",
		"a program":             `while true do end`,
		"a call":                `return { login = { timestamp = os.time() } }`,
		"text for a time":       login(`"1749988700"`),
		"a table for a time":    login(`{5}`),
		"a time for a table":    `return { login = 1749988700 }`,
		"no table":              `return 1749988700`,
		"nested without end":    "return " + strings.Repeat("{", 1<<16),
		"larger than a record":  "return {" + strings.Repeat(" ", 1<<20) + "}",
		"good until the middle": login("1749988700") + "}",
	} {
		got, facts := read(t, map[string]string{"lastlog2/secretname.dat": content, "lastlog2/u.dat": login("1749988700")})
		if d := facts.Domains[0]; got["example.org"] != [3]int{1, 1, 1} || d.Damaged != 1 {
			t.Errorf("%s: %v active, %d damaged", name, got["example.org"], d.Damaged)
		}
		if len(facts.Warnings) != 1 || !strings.Contains(facts.Warnings[0], "example%2eorg/lastlog2 -inum ") || strings.Contains(facts.Warnings[0], "secretname") {
			t.Errorf("%s: warnings %q", name, facts.Warnings)
		}
	}
	many := make(map[string]string)
	for i := range 300 {
		many["account_activity/"+strings.Repeat("x", i%200+1)+string(rune('a'+i/200))+".dat"] = "damaged"
	}
	many["account_activity/good.dat"] = "return { timestamp = 1749988700 }"
	_, facts := read(t, many)
	if d := facts.Domains[0]; d.Damaged != 300 || len(facts.Warnings) > 4 {
		t.Errorf("%d damaged, warnings %q", d.Damaged, facts.Warnings)
	}
}

// If no record of a host can be read, it is not known who was active there: that
// is no zero. The other hosts go on; without any, the server has failed.
func TestHostsOfWhichNothingCanBeRead(t *testing.T) {
	directory := t.TempDir()
	zeros := strings.Repeat("\x00", 60)
	for _, user := range []string{"a", "b"} {
		write(t, filepath.Join(directory, "example%2eorg/lastlog2", user+".dat"), zeros)
		write(t, filepath.Join(directory, "example%2eorg/accounts", user+".dat"), zeros)
		write(t, filepath.Join(directory, "example%2enet/account_activity", user+".dat"), "return { timestamp = 1749988700 }")
		write(t, filepath.Join(directory, "example%2enet/accounts", user+".dat"), zeros)
	}
	reader := prosody.New(prosody.Options{DataPath: directory}, activity.SynapseClasses())
	calendar := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	facts, err := reader.Read(t.Context(), time.Time{}, now, calendar)
	must.Succeed(t, err)
	if got := count(calendar, facts, now); got["example.net"] != [3]int{2, 2, 2} {
		t.Errorf("active %v: accounts whose record is damaged are accounts", got)
	}
	for _, d := range facts.Domains {
		if d.HasLastSeen != (d.Name == "example.net") || d.Damaged != 2 || d.Registered[collector.Native] != 2 {
			t.Errorf("%+v", d)
		}
	}
	if !slices.Contains(facts.Warnings, "who is active on example.org is not known: all records are damaged") {
		t.Errorf("warnings %q", facts.Warnings)
	}
	must.Succeed(t, os.RemoveAll(filepath.Join(directory, "example%2enet")))
	if _, err := reader.Read(t.Context(), time.Time{}, now, calendar); err == nil || !strings.Contains(err.Error(), directory+": all records") {
		t.Errorf("error %v, want that all records are damaged", err)
	}
}

func TestPipesAndFoldersAreNotRead(t *testing.T) {
	directory := t.TempDir()
	store := filepath.Join(directory, "example%2eorg", "lastlog2")
	must.Succeed(t, os.MkdirAll(filepath.Join(store, "folder.dat"), 0o755))
	must.Succeed(t, syscall.Mkfifo(filepath.Join(store, "pipe.dat"), 0o600))
	must.Succeed(t, os.Symlink("/etc/hostname", filepath.Join(store, "link.dat")))
	write(t, filepath.Join(store, "u.dat"), login("1749988700"))
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	facts, err := prosody.New(prosody.Options{DataPath: directory}, activity.SynapseClasses()).Read(t.Context(), time.Time{}, now, cal)
	must.Succeed(t, err)
	if got := count(cal, facts, now)["example.org"]; got != [3]int{1, 1, 1} || facts.Domains[0].Damaged != 3 {
		t.Errorf("%v active, %d damaged: %v", got, facts.Domains[0].Damaged, facts.Warnings)
	}
}

// What lies in the data folder and is no virtual host ends no figures, and nothing
// waits for a pipe, whatever store has its name.
func TestStrayEntriesAreNoHosts(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, path string){
		"a file":             func(t *testing.T, path string) { write(t, path, "read me") },
		"a pipe":             func(t *testing.T, path string) { must.Succeed(t, syscall.Mkfifo(path, 0o600)) },
		"a link in a loop":   func(t *testing.T, path string) { must.Succeed(t, os.Symlink(path, path)) },
		"a link to nothing":  func(t *testing.T, path string) { must.Succeed(t, os.Symlink(path+"nothing", path)) },
		"a link to a file":   func(t *testing.T, path string) { must.Succeed(t, os.Symlink("/etc/hostname", path)) },
		"a link to a device": func(t *testing.T, path string) { must.Succeed(t, os.Symlink("/dev/null", path)) },
		"an empty folder":    func(t *testing.T, path string) { must.Succeed(t, os.Mkdir(path, 0o755)) },
		"files instead of stores": func(t *testing.T, path string) {
			for _, store := range []string{"lastlog2", "account_activity", "accounts", "lastlog", "clients"} {
				write(t, filepath.Join(path, store), "")
			}
		},
		"pipes instead of stores": func(t *testing.T, path string) {
			must.Succeed(t, os.Mkdir(path, 0o755))
			for _, store := range []string{"lastlog2", "account_activity", "accounts", "lastlog", "clients"} {
				must.Succeed(t, syscall.Mkfifo(filepath.Join(path, store), 0o600))
			}
		},
		"links in a loop instead of stores": func(t *testing.T, path string) {
			must.Succeed(t, os.Mkdir(path, 0o755))
			must.Succeed(t, os.Symlink("lastlog2", filepath.Join(path, "lastlog2")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			directory := t.TempDir()
			write(t, filepath.Join(directory, "example%2eorg/lastlog2/u.dat"), login("1749988700"))
			put(t, filepath.Join(directory, "README"))
			cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
			options := prosody.Options{DataPath: directory}
			facts, err := prosody.New(options, activity.SynapseClasses()).Read(t.Context(), time.Time{}, now, cal)
			must.Succeed(t, err)
			if got := count(cal, facts, now); len(facts.Domains) != 1 || got["example.org"] != [3]int{1, 1, 1} || len(facts.Warnings) != 0 {
				t.Errorf("%v, domains %+v, warnings %q", got, facts.Domains, facts.Warnings)
			}
			must.Succeed(t, options.ArchivedLogins(t.Context(), func(chatserver.Login) { t.Error("a login out of nowhere") }))
		})
	}
}

// A folder that the exporter may not enter can be anything: it is left out, with a
// warning. But if it is known to be that of a virtual host, its figures must not just
// go away.
func TestFoldersThatMayNotBeEntered(t *testing.T) {
	directory := t.TempDir()
	must.Succeed(t, os.Chmod(filepath.Dir(directory), 0o755)) // the testing package's own folder
	write(t, filepath.Join(directory, "example%2eorg/lastlog2/u.dat"), login("1749988700"))
	write(t, filepath.Join(directory, "secret/lastlog2/u.dat"), login("1749988700"))
	closed := filepath.Join(directory, "secret")
	for _, host := range []string{"example%2eorg", "secret"} {
		must.Succeed(t, os.Chmod(filepath.Join(directory, host, "lastlog2"), 0o755))
		must.Succeed(t, os.Chmod(filepath.Join(directory, host, "lastlog2/u.dat"), 0o644))
	}
	must.Succeed(t, os.Chmod(filepath.Join(directory, "example%2eorg"), 0o755))
	lock := func(path string, mode fs.FileMode) {
		t.Helper()
		if os.Getuid() == 0 { // who may enter everything
			must.Succeed(t, syscall.Setreuid(-1, 0))
		}
		must.Succeed(t, os.Chmod(path, mode))
		if os.Getuid() == 0 {
			must.Succeed(t, syscall.Setreuid(-1, 65534))
		}
	}
	if os.Getuid() == 0 {
		defer func() { must.Succeed(t, syscall.Setreuid(-1, 0)) }()
	}
	read := func(reader *prosody.Reader) (collector.Facts, error) {
		return reader.Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
	}
	reader := prosody.New(prosody.Options{DataPath: directory}, activity.SynapseClasses())
	lock(closed, 0)
	facts, err := read(reader)
	must.Succeed(t, err)
	if len(facts.Domains) != 1 || len(facts.Warnings) != 1 || !strings.Contains(facts.Warnings[0], "the folder of secret is left out") {
		t.Errorf("a stranger's folder: domains %+v, warnings %q", facts.Domains, facts.Warnings)
	}
	if _, err := read(prosody.New(prosody.Options{DataPath: directory, Hosts: []string{"example.org", "secret"}}, activity.SynapseClasses())); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a configured host: error %v", err)
	}
	facts, err = read(prosody.New(prosody.Options{DataPath: directory, Hosts: []string{"example.org"}}, activity.SynapseClasses()))
	must.Succeed(t, err)
	if len(facts.Warnings) != 0 {
		t.Errorf("a folder that nobody asked for: warnings %q", facts.Warnings)
	}
	lock(closed, 0o755)
	facts, err = read(reader)
	must.Succeed(t, err)
	if len(facts.Domains) != 2 {
		t.Errorf("once it may be entered: %+v", facts.Domains)
	}
	lock(closed, 0)
	if _, err := read(reader); !errors.Is(err, fs.ErrPermission) || failure.Of(err) != failure.Denied {
		t.Errorf("a host that was read before: error %v", err)
	}
	lock(filepath.Join(directory, "example%2eorg"), 0)
	if _, err := read(prosody.New(prosody.Options{DataPath: directory}, activity.SynapseClasses())); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("no folder may be entered: error %v", err)
	}
}

// If nothing may be read, that is no empty server.
func TestRecordsThatMayNotBeRead(t *testing.T) {
	directory := t.TempDir()
	must.Succeed(t, os.Chmod(filepath.Dir(directory), 0o755)) // the testing package's own folder
	store := filepath.Join(directory, "example%2eorg", "lastlog2")
	for _, user := range []string{"a", "b"} {
		write(t, filepath.Join(store, user+".dat"), login("1749988700"))
		must.Succeed(t, os.Chmod(filepath.Join(store, user+".dat"), 0))
	}
	if os.Getuid() == 0 { // who may read everything
		must.Succeed(t, syscall.Setreuid(-1, 65534))
		defer func() { must.Succeed(t, syscall.Setreuid(-1, 0)) }()
	}
	reader := prosody.New(prosody.Options{DataPath: directory}, activity.SynapseClasses())
	read := func() (figures, collector.Facts, error) {
		cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
		facts, err := reader.Read(t.Context(), time.Time{}, now, cal)
		return count(cal, facts, now), facts, err
	}
	if _, _, err := read(); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), store) {
		t.Errorf("error %v, want that %s may not be read", err, store)
	}
	if os.Getuid() == 0 {
		must.Succeed(t, syscall.Setreuid(-1, 0))
	}
	must.Succeed(t, os.Chmod(filepath.Join(store, "a.dat"), 0o644))
	if os.Getuid() == 0 {
		must.Succeed(t, syscall.Setreuid(-1, 65534))
	}
	got, facts, err := read()
	must.Succeed(t, err)
	if got["example.org"] != [3]int{1, 1, 1} || facts.Domains[0].Damaged != 1 {
		t.Errorf("with one of two readable: %v active, %d damaged", got["example.org"], facts.Domains[0].Damaged)
	}
}

func TestDirectoriesThatAreNotProsodys(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		says string
	}{
		"missing":     {func(*testing.T, string) {}, "no such file"},
		"a file":      {func(t *testing.T, path string) { write(t, path, "") }, "not a directory"},
		"empty":       {func(t *testing.T, path string) { must.Succeed(t, os.Mkdir(path, 0o755)) }, "is it the data_path of a Prosody"},
		"no store":    {func(t *testing.T, path string) { write(t, path+"/example%2eorg/roster/u.dat", "") }, "is it the data_path of a Prosody"},
		"global":      {func(t *testing.T, path string) { write(t, path+"/_global/accounts/u.dat", "") }, "is it the data_path of a Prosody"},
		"odd name":    {func(t *testing.T, path string) { write(t, path+"/%ff%fe/accounts/u.dat", "") }, "is it the data_path of a Prosody"},
		"not encoded": {func(t *testing.T, path string) { write(t, path+"/example.org/accounts/u.dat", "") }, "is it the data_path of a Prosody"},
		"capitals":    {func(t *testing.T, path string) { write(t, path+"/example%2Eorg/accounts/u.dat", "") }, "is it the data_path of a Prosody"},
		"cut name":    {func(t *testing.T, path string) { write(t, path+"/example%2/accounts/u.dat", "") }, "is it the data_path of a Prosody"},
	} {
		path := filepath.Join(t.TempDir(), "data")
		c.make(t, path)
		_, err := prosody.New(prosody.Options{DataPath: path}, activity.SynapseClasses()).Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one that names %s and says %q", name, err, path, c.says)
		}
	}
}

func TestReadingCanBeStopped(t *testing.T) {
	directory := t.TempDir()
	write(t, filepath.Join(directory, "example%2eorg/lastlog2/u.dat"), login("1749988700"))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := prosody.New(prosody.Options{DataPath: directory}, activity.SynapseClasses()).Read(ctx, time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses())); err == nil {
		t.Error("no error")
	}
}

package prosody_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/test/must"
)

// opening is how Prosody 13 begins its side of the stream.
const opening = `<?xml version='1.0'?><stream:stream id='' xmlns:stream='http://etherx.jabber.org/streams' xmlns='xmpp:prosody.im/admin' xml:lang='en'>`

// socket answers one question with the given bytes and returns its path.
func socket(t *testing.T, answer string) string {
	t.Helper()
	directory, err := os.MkdirTemp("", "prosody") // short: a socket's path must fit into 107 bytes
	must.Succeed(t, err)
	path := filepath.Join(directory, "prosody.sock")
	listener, err := net.Listen("unix", path)
	must.Succeed(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
		_ = os.RemoveAll(directory)
	})
	go func() {
		defer close(done)
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = connection.Close() }()
		asked := ""
		for buffer := make([]byte, 4096); !strings.Contains(asked, "</repl-input>"); {
			n, err := connection.Read(buffer)
			if err != nil {
				return
			}
			asked += string(buffer[:n])
		}
		_, _ = io.WriteString(connection, answer)
		if !strings.Contains(answer, "</repl-result>") {
			_, _ = io.Copy(io.Discard, connection) // until the other side gives up
		}
	}()
	return path
}

func readWithSocket(ctx context.Context, t *testing.T, path string) (figures, collector.Facts, error) {
	t.Helper()
	directory := t.TempDir()
	for user, record := range map[string]string{"day": login("1749988700"), "phone": login("1749500000"), "off": login("1749500000"), "disabled": login("1749988700"), "ghost": "damaged"} {
		write(t, filepath.Join(directory, "example%2eorg/lastlog2", user+".dat"), record)
	}
	write(t, filepath.Join(directory, "example%2eorg/accounts/disabled.dat"), "return { disabled = true }")
	cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
	facts, err := prosody.New(prosody.Options{DataPath: directory, AdminSocket: path}, activity.SynapseClasses()).Read(ctx, time.Time{}, now, cal)
	return count(cal, facts, now), facts, err
}

func TestPeopleOnlineAreActive(t *testing.T) {
	answer := opening + `<repl-output>noise &lt;</repl-output><repl-result>Result: {&quot;version&quot;:&quot;13.0.1&quot;,&quot;hosts&quot;:{` +
		`&quot;*&quot;:{&quot;online&quot;:{},&quot;modules&quot;:{&quot;c2s&quot;:&quot;core&quot;}},` +
		`&quot;example.org&quot;:{&quot;online&quot;:{&quot;phone&quot;:1,&quot;unstored&quot;:1,&quot;ghost&quot;:1},&quot;modules&quot;:{&quot;mam&quot;:&quot;error&quot;}},` +
		`&quot;guest.example.net&quot;:{&quot;online&quot;:{&quot;xyz&quot;:1},&quot;modules&quot;:{}}}}</repl-result>`
	got, facts, err := readWithSocket(t.Context(), t, socket(t, answer))
	must.Succeed(t, err)
	// "phone" by its session, "day" by its login, "ghost" in spite of its
	// record; "unstored" is in no store, and Prosody does not count it either.
	if got["example.org"] != [3]int{3, 4, 4} {
		t.Errorf("active %v", got["example.org"])
	}
	online := make(map[string]collector.Count)
	for _, d := range facts.Domains {
		online[d.Name] = d.Online
	}
	if online["example.org"] != collector.Known(3) || online["guest.example.net"] != collector.Known(1) || len(online) != 2 || facts.Version != "13.0.1" || len(facts.Modules) != 2 {
		t.Errorf("online %v, %+v", online, facts)
	}
}

func TestSocketsThatDoNotAnswer(t *testing.T) {
	const patience = time.Minute
	for name, c := range map[string]struct {
		patience     time.Duration
		path         string
		reason, says string
	}{
		"nobody there":   {patience, filepath.Join(t.TempDir(), "no.sock"), "unreachable", "no such file"},
		"silence":        {100 * time.Millisecond, socket(t, ""), "timeout", "deadline exceeded"},
		"half an answer": {100 * time.Millisecond, socket(t, opening+`<repl-result>Result: {`), "timeout", "deadline exceeded"},
		"an error":       {patience, socket(t, opening+`<repl-result type='error'>console:1: attempt to index a nil value</repl-result>`), "unexpected", "not what Prosody"},
		"no JSON":        {patience, socket(t, opening+`<repl-result>Result: table: 0x5581</repl-result>`), "unexpected", "not what Prosody"},
		"another answer": {patience, socket(t, opening+`<repl-result>Result: {}</repl-result>`), "unexpected", "not what Prosody"},
		"no shell":       {patience, socket(t, opening+`<repl-result>OK</repl-result>`), "unexpected", "not what Prosody"},
		"something else": {patience, socket(t, "HTTP/1.1 400 Bad Request</repl-result></a>"), "unexpected", "read the answer"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), c.patience)
		got, facts, err := readWithSocket(ctx, t, c.path)
		cancel()
		var want figures // none if the time was over
		if err == nil {  // the records are there nevertheless
			err, want = facts.OnlineErr, figures{"example.org": {1, 3, 3}}
			if facts.Online != collector.OnlineUnknown || facts.Domains[0].Online.Known {
				t.Errorf("%s: %+v", name, facts)
			}
		}
		if string(failure.Of(err)) != c.reason || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: error %v, want reason %q and %q", name, err, c.reason, c.says)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

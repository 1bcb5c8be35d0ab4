package prosody

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"active_users_exporter/collector"
)

// running is what a running Prosody answers about itself.
type running struct {
	Version string `json:"version"`
	Hosts   map[string]struct {
		// Online are the users with a session, hibernating ones included.
		Online map[string]int `json:"online"`
		// Type is local or component.
		Type string `json:"type"`
		// Modules are the states of the modules by name.
		Modules map[string]string `json:"modules"`
	} `json:"hosts"`
}

// isOnline says whether a user has a session. It is false if r is nil.
func (r *running) isOnline(host, user string) bool {
	if r == nil {
		return false
	}
	_, online := r.Hosts[host].Online[user]
	return online
}

// isComponent says whether a name is that of a component. It is false if r is nil.
func (r *running) isComponent(host string) bool { return r != nil && r.Hosts[host].Type == "component" }

// modules returns the modules of all hosts and components, and the global ones
// under the host "*".
func (r *running) modules() []collector.Module {
	var modules []collector.Module
	for host, h := range r.Hosts {
		for name, state := range h.Modules {
			modules = append(modules, collector.Module{Domain: host, Name: name, Status: statusOf(state), Loaded: true})
		}
	}
	return modules
}

// question is the one expression that Prosody evaluates for us, in its event
// loop: it takes names from tables and does nothing else. Values are tables
// with named fields only, so that an empty one is an object in JSON as well.
// It works with Prosody 0.12 and 13.
const question = `local mm = require "core.modulemanager" ` +
	`local hosts = {} ` +
	`local function add(name, sessions, type) ` +
	`local h = { online = {}, modules = {}, type = type } ` +
	`for user in pairs(sessions or {}) do h.online[user] = 1 end ` +
	`for module, m in pairs(mm.get_modules(name) or {}) do h.modules[module] = m.module.status_type or "core" end ` +
	`hosts[name] = h end ` +
	`add("*") ` +
	`for name, host in pairs(prosody.hosts) do add(name, host.sessions, host.type) end ` +
	`return require "util.json".encode({ version = prosody.version, hosts = hosts })`

const (
	socketTimeout = 10 * time.Second
	// maxAnswer holds the names of some hundred thousand people online.
	maxAnswer = 16 << 20
)

// ask asks the running server through its admin socket (mod_admin_socket):
// an XML stream in which mod_admin_shell evaluates a line that begins with >.
func ask(ctx context.Context, path string) (*running, error) {
	var r running
	answer, err := evaluate(ctx, path, question)
	if err == nil && (json.Unmarshal([]byte(answer), &r) != nil || r.Hosts == nil) {
		err = errAnswer
	}
	if err != nil {
		return nil, fmt.Errorf("ask the running Prosody through %s: %w", path, err)
	}
	return &r, nil
}

var errAnswer = errors.New("the answer is not what Prosody 0.12 or 13 gives")

func evaluate(ctx context.Context, path, expression string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return "", errors.Join(ctx.Err(), err)
	}
	defer func() { _ = connection.Close() }()
	// A read that waits ends with ctx.
	defer context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Unix(1, 0)) })()

	var line strings.Builder
	if err := xml.EscapeText(&line, []byte("> "+expression)); err != nil {
		return "", err
	}
	const opening = `<?xml version='1.0'?><stream:stream xmlns='xmpp:prosody.im/admin' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`
	if _, err := io.WriteString(connection, opening+`<repl-input eval-only='1'>`+line.String()+`</repl-input>`); err != nil {
		return "", err
	}
	answer, err := result(io.LimitReader(connection, maxAnswer))
	if err != nil {
		return "", errors.Join(ctx.Err(), err)
	}
	_, _ = io.WriteString(connection, `</stream:stream>`)
	return answer, nil
}

// result reads the stream up to the one result, past output that modules may
// print.
func result(stream io.Reader) (string, error) {
	decoder := xml.NewDecoder(stream)
	for {
		token, err := decoder.Token()
		if err != nil {
			return "", fmt.Errorf("read the answer: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "repl-result" {
			continue
		}
		var r struct {
			Type string `xml:"type,attr"`
			Text string `xml:",chardata"`
		}
		if err := decoder.DecodeElement(&r, &start); err != nil {
			return "", fmt.Errorf("read the answer: %w", err)
		}
		text, ok := strings.CutPrefix(r.Text, "Result: ")
		if r.Type == "error" || !ok {
			return "", errAnswer
		}
		return text, nil
	}
}

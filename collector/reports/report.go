// Package reports receives the usage reports that Matrix homeservers push
// (Synapse's and Dendrite's phone-home reports), keeps them, and tells the
// newest figures of each homeserver.
package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Report is what one usage report says, as far as it is believable.
type Report struct {
	// Homeserver is the name of the server, in small letters.
	Homeserver string
	// Context is the operator's own word for a group of servers, "" for none.
	Context string
	// Statistics are numbers by the names of Synapse's documentation.
	Statistics map[string]float64
	// Info are strings by name.
	Info map[string]string
	// Unbelievable is the number of known keys whose values were left out.
	Unbelievable int
}

const (
	// MaxBody is the largest report that is read, in bytes. A real one has
	// fewer than a thousand.
	MaxBody = 64 << 10

	maxText  = 128 // bytes of a string
	maxDepth = 16  // of objects and arrays in one another

	// mostUsers is more than there are people; mostBytes more than any
	// machine's memory, in kilobytes; mostSeconds is the year 4000.
	mostUsers   = 1e10
	mostBytes   = 1e12
	mostSeconds = 64060588800
	mostFactor  = 1e6
)

// Names returns the names of all statistics that a report can have: those of
// Synapse's, old and new (its documentation, and phone_stats_home.py since
// 0.11). Keys of other homeservers are stored and not shown.
func Names() []string {
	return []string{
		"cache_factor", "cpu_average", "daily_active_e2ee_rooms", "daily_active_rooms", "daily_active_users",
		"daily_e2ee_messages", "daily_messages", "daily_sent_e2ee_messages", "daily_sent_messages",
		"daily_user_type_bridged", "daily_user_type_guest", "daily_user_type_native", "event_cache_size",
		"memory_rss", "monthly_active_users",
		"r30_users_all", "r30_users_android", "r30_users_electron", "r30_users_ios", "r30_users_unknown", "r30_users_web",
		"r30v2_users_all", "r30v2_users_android", "r30v2_users_electron", "r30v2_users_ios", "r30v2_users_web",
		"timestamp", "total_nonbridged_users", "total_room_count", "total_users", "uptime_seconds",
	}
}

// mostOf is the largest value that is believed of a statistic.
func mostOf(name string) float64 {
	switch name {
	case "timestamp", "uptime_seconds":
		return mostSeconds
	case "memory_rss", "event_cache_size":
		return mostBytes
	case "cpu_average", "cache_factor":
		return mostFactor
	}
	return mostUsers
}

// texts are the strings of a report that are shown.
func texts() []string {
	return []string{"server_context", "python_version", "database_engine", "database_server_version", "log_level"}
}

var errMalformed = errors.New("not a usage report")

// Parse reads a report. Unknown keys are passed over; a known key with a value
// that cannot be true costs that key alone. An error says what is wrong with
// the report as a whole, and quotes nothing of it.
func Parse(body []byte) (Report, error) {
	if tooDeep(body) {
		return Report{}, fmt.Errorf("%w: objects lie more than %d deep in one another", errMalformed, maxDepth)
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(body, &values); err != nil || values == nil {
		return Report{}, fmt.Errorf("%w: want one JSON object", errMalformed)
	}
	r := Report{Statistics: make(map[string]float64, len(values)), Info: make(map[string]string)}
	var ok bool
	if r.Homeserver, ok = serverName(values["homeserver"]); !ok {
		return Report{}, fmt.Errorf("%w: homeserver is missing or no server name", errMalformed)
	}
	for _, name := range Names() {
		value, there := values[name]
		if !there || string(value) == "null" {
			continue
		}
		number, err := strconv.ParseFloat(string(value), 64) // what is valid JSON and no number fails
		if err != nil || number < 0 || number > mostOf(name) {
			r.Unbelievable++
			continue
		}
		r.Statistics[name] = number
	}
	for _, name := range texts() {
		value, there := values[name]
		if !there || string(value) == "null" {
			continue
		}
		text, ok := parseText(value)
		if !ok {
			r.Unbelievable++
			continue
		}
		r.Info[name] = text
	}
	r.Context = r.Info["server_context"]
	return r, nil
}

// tooDeep looks for values so deep in one another that they cost more than they
// are worth. It need not be right about what is no JSON.
func tooDeep(body []byte) bool {
	if bytes.Count(body, []byte("{"))+bytes.Count(body, []byte("[")) <= maxDepth {
		return false // as of all real ones
	}
	depth, inText, escaped := 0, false, false
	for _, b := range body {
		switch {
		case escaped:
			escaped = false
		case inText:
			escaped, inText = b == '\\', b != '"'
		case b == '"':
			inText = true
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		}
		if depth > maxDepth {
			return true
		}
	}
	return false
}

// parseText reads a string of printable characters that may be a label.
func parseText(value json.RawMessage) (string, bool) {
	var text string
	if err := json.Unmarshal(value, &text); err != nil || len(text) > maxText || !utf8.ValidString(text) {
		return "", false
	}
	return text, !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// hostName is the grammar of Matrix's server names (specification, appendix
// "Server name"), but for addresses in brackets.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

// maxServerName is the longest server name of the specification, in bytes.
const maxServerName = 230

func serverName(value json.RawMessage) (string, bool) {
	var name string
	if err := json.Unmarshal(value, &name); err != nil || len(name) > maxServerName {
		return "", false
	}
	name = strings.ToLower(name)
	if hostName.MatchString(name) {
		return name, true
	}
	if address, port, bracketed := strings.Cut(strings.TrimPrefix(name, "["), "]"); bracketed && strings.HasPrefix(name, "[") {
		_, err := netip.ParseAddr(address)
		return name, err == nil && (port == "" || regexp.MustCompile(`^:[0-9]{1,5}$`).MatchString(port))
	}
	return "", false
}

// Package usagereport knows the usage reports of Matrix homeservers (Synapse's
// and Dendrite's phone-home reports): which statistics there are and what each
// counts, how a pushed report is parsed, how pushed and read figures of one
// homeserver are united, and the metrics that show them.
package usagereport

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

// A Report is what one usage report says, without the values that cannot be true.
type Report struct {
	// Homeserver is the name of the server, in small letters.
	Homeserver string
	// Software is what reports: Synapse or Dendrite.
	Software string
	// Location is where it was sent from, if a receiver found that.
	Location Location
	// Context is the operator's own word for a group of servers, "" for none.
	Context string
	// Statistics are numbers by name; see Names.
	Statistics map[string]float64
	// Info are strings by name; see InfoNames and DendriteInfoNames.
	Info map[string]string
	// OutOfRange is the number of known keys whose values cannot be true and were
	// left out.
	OutOfRange int
}

const (
	// MaxBody is the largest report that is read, in bytes. A real one has
	// fewer than a thousand.
	MaxBody = 64 << 10

	maxText  = 128 // bytes of a string
	maxTexts = 512 // bytes of all strings of a report
	// maxStored is the length up to which a report is stored as it came, in bytes.
	maxStored = 2 << 10
	maxDepth  = 16 // of objects and arrays in one another
)

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
	r.Software = softwareOf(values)
	r.Location = locationOf(values)
	if r.Software == Dendrite {
		r.takeNumbers(values, "", sharedStatistics())
		r.takeNumbers(values, dendritePrefix, dendriteStatistics())
		r.takeTexts(values, DendriteInfoNames(), parseTextOrBool)
	} else {
		r.takeNumbers(values, "", statistics())
	}
	r.takeTexts(values, InfoNames(), parseText)
	r.Context = r.Info["server_context"]
	return r, nil
}

// takeNumbers takes some statistics, and puts a prefix before their names.
func (r *Report) takeNumbers(values map[string]json.RawMessage, prefix string, wanted []statistic) {
	for _, s := range wanted {
		value, there := values[s.name]
		if !there || string(value) == "null" {
			continue
		}
		number, err := strconv.ParseFloat(string(value), 64) // what is valid JSON and no number fails
		if err != nil || number < 0 || number > s.largest {
			r.OutOfRange++
			continue
		}
		r.Statistics[prefix+s.name] = number
	}
}

// ParsePushed reads a report that came in a request with a User-Agent, and returns as
// well what is to be kept of its body: Parse must say the same of that.
func ParsePushed(body []byte, userAgent string) (Report, []byte, error) {
	body = Mark(body, userAgent)
	r, err := Parse(body)
	if err != nil {
		return Report{}, nil, err
	}
	body = r.takeVersion(body, userAgent)
	stored, err := r.Stored(body)
	return r, stored, err
}

// Stored returns what is kept of the body that a report was parsed from: the body
// itself, or, of one that is larger than any real report, the keys that are known.
func (r Report) Stored(body []byte) ([]byte, error) {
	if len(body) <= maxStored {
		return body, nil
	}
	values := map[string]any{"homeserver": r.Homeserver}
	if r.Software == Dendrite {
		values[softwareKey] = Dendrite
	}
	if r.Location != (Location{}) {
		values[continentKey], values[countryKey] = r.Location.Continent, r.Location.Country
	}
	for name, value := range r.Statistics {
		values[strings.TrimPrefix(name, dendritePrefix)] = value
	}
	for name, text := range r.Info {
		values[name] = text
	}
	shorter, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("shorten a report: %w", err)
	}
	return shorter, nil
}

// takeTexts takes some strings, as long as they are not too many bytes in all.
func (r *Report) takeTexts(values map[string]json.RawMessage, names []string, parse func(json.RawMessage) (string, bool)) {
	for _, name := range names {
		value, there := values[name]
		if !there || string(value) == "null" {
			continue
		}
		text, ok := parse(value)
		if !ok || r.textBytes()+len(text) > maxTexts {
			r.OutOfRange++
			continue
		}
		r.Info[name] = text
	}
}

func (r *Report) textBytes() (n int) {
	for _, text := range r.Info {
		n += len(text)
	}
	return n
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

// parseTextOrBool is parseText for what may be true or false as well.
func parseTextOrBool(value json.RawMessage) (string, bool) {
	if text := string(value); text == "true" || text == "false" {
		return text, true
	}
	return parseText(value)
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
// "Server name"), except addresses in brackets.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

// bracketed is an IPv6 address in brackets, as far as its characters go, with or
// without a port.
var bracketed = regexp.MustCompile(`^\[([0-9a-f:.]*:[0-9a-f:.]*)\](:[0-9]{1,5})?$`)

// maxServerName is the longest server name of the specification, in bytes.
const maxServerName = 230

func serverName(value json.RawMessage) (string, bool) {
	var name string
	if err := json.Unmarshal(value, &name); err != nil || len(name) > maxServerName {
		return "", false
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", false // in lower case, some would be ASCII
	}
	name = strings.ToLower(name)
	if hostName.MatchString(name) {
		return name, true
	}
	parts := bracketed.FindStringSubmatch(name)
	if parts == nil {
		return "", false
	}
	_, err := netip.ParseAddr(parts[1]) // which has no zone: that may hold any byte
	return name, err == nil
}

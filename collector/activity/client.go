package activity

import "bytes"

// A Client is the class of a client program, as a small number that a Classes
// value gives meaning to.
type Client uint8

// Unknown is the class of every client that no rule knows, and of those that
// the server stored no user agent for.
const Unknown Client = 0

// A rule gives its client to every user agent that holds at least one of the
// needles in any and every needle in all, in whatever ASCII case.
type rule struct {
	client   Client
	any, all []string
}

// Classes is an ordered, bounded set of client classes. The zero value knows
// Unknown alone. It does not change once made and may be shared.
type Classes struct {
	names []string
	rules []rule
}

// SynapseClasses returns the classes of Synapse's r30v2 figures: electron,
// android, ios and web, in the order in which Synapse itself tests for them
// (count_r30v2_users in synapse/storage/databases/main/metrics.py, 1.160).
//
// The tests are for substrings of the whole user agent: "axios" holds "ios".
// An agent with "riot" or "element" but no platform is unknown and never web,
// whatever else it says.
func SynapseClasses() *Classes {
	const electron, android, ios, web = 1, 2, 3, 4
	element := []string{"riot", "element"}
	return &Classes{
		names: []string{Unknown: "unknown", electron: "electron", android: "android", ios: "ios", web: "web"},
		rules: []rule{
			{client: electron, any: element, all: []string{"electron"}},
			{client: android, any: element, all: []string{"android"}},
			{client: ios, any: element, all: []string{"ios"}},
			{client: Unknown, any: element},
			{client: web, any: []string{"mozilla", "gecko"}},
		},
	}
}

// Names returns the name of each class, indexed by Client. The caller must not
// change it.
func (c *Classes) Names() []string { return c.names }

// Of returns the class of a user agent; nil or empty is Unknown. Only ASCII
// letters are folded, as LOWER does in SQLite and in a PostgreSQL database of
// locale C, which Synapse demands.
func (c *Classes) Of(userAgent []byte) Client {
	var buffer [512]byte
	lower := appendLower(buffer[:0], userAgent)
	for _, r := range c.rules {
		if holdsAny(lower, r.any) && holdsAll(lower, r.all) {
			return r.client
		}
	}
	return Unknown
}

func appendLower(dst, src []byte) []byte {
	for _, b := range src {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	return dst
}

func holdsAny(text []byte, needles []string) bool {
	for _, n := range needles {
		if bytes.Contains(text, []byte(n)) {
			return true
		}
	}
	return false
}

func holdsAll(text []byte, needles []string) bool {
	for _, n := range needles {
		if !bytes.Contains(text, []byte(n)) {
			return false
		}
	}
	return true
}

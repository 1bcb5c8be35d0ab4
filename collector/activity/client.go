package activity

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"regexp"
	"slices"
)

// A Client is the class of a client program, as a small number that a Classes
// value gives meaning to.
type Client uint8

// Unknown is the class of every client that no rule knows, and of those that
// the server stored no user agent for.
const Unknown Client = 0

// A Rule gives its name to every user agent that holds at least one of the
// needles in Any, if there are any, and every needle in All, in whatever ASCII
// case.
type Rule struct {
	Name     string
	Any, All []string
}

// Classes is an ordered, bounded set of client classes. It does not change once
// made and may be shared.
//
// It distinguishes more Clients than it has names: each Client also belongs to one
// of Synapse's classes. So Synapse's own figures can be counted under any rules.
type Classes struct {
	names     []string // of the groups
	rules     []Rule   // lower case
	groups    [][]Client
	bySynapse [][]Client // by Synapse's class
	table     [][]Client // by group and Synapse's class
	group     []int      // by Client
}

// Synapse's classes, in the order of SynapseNames.
const (
	synapseUnknown = iota
	synapseElectron
	synapseAndroid
	synapseIOS
	synapseWeb
	synapseClassCount
)

// SynapseNames are the classes that Synapse's r30v2 distinguishes, in the order of
// Retention.Synapse.
func SynapseNames() []string { return []string{"unknown", "electron", "android", "ios", "web"} }

// SynapseClasses returns the classes of Synapse's r30v2 figures alone.
func SynapseClasses() *Classes {
	classes, err := NewClasses(nil)
	if err != nil {
		panic(err) // no rules, nothing wrong with them
	}
	return classes
}

const maxRules = 40 // as many groups of ownClasses fit a Client

var className = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// NewClasses returns the classes of the given rules, tried in order, and of
// Synapse's for user agents that no rule knows. A rule may have the name of one
// of Synapse's classes, which then holds more.
func NewClasses(rules []Rule) (*Classes, error) {
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d rules for clients are more than the %d there may be", len(rules), maxRules)
	}
	c := &Classes{names: SynapseNames(), bySynapse: make([][]Client, synapseClassCount)}
	for _, r := range rules {
		if !className.MatchString(r.Name) {
			return nil, fmt.Errorf("%q is no name for a class of clients: use small letters, digits and _", r.Name)
		}
		if len(r.Any)+len(r.All) == 0 || slices.Contains(r.Any, "") || slices.Contains(r.All, "") {
			return nil, fmt.Errorf("class %q: name at least one piece of a user agent under any or all, and no empty one", r.Name)
		}
		if r.Name == FewName {
			return nil, fmt.Errorf("class %q: this name is for classes that are shown together because they are small", r.Name)
		}
		if !slices.Contains(c.names, r.Name) {
			c.names = append(c.names, r.Name)
		}
		c.rules = append(c.rules, Rule{r.Name, lowered(r.Any), lowered(r.All)})
	}
	c.groups = make([][]Client, len(c.names))
	c.table = make([][]Client, len(c.names))
	client := Unknown
	for group := range c.names {
		c.table[group] = make([]Client, synapseClassCount)
		for synapse := range synapseClassCount {
			if len(rules) == 0 && group != synapse {
				continue
			}
			c.table[group][synapse] = client
			c.groups[group] = append(c.groups[group], client)
			c.bySynapse[synapse] = append(c.bySynapse[synapse], client)
			c.group = append(c.group, group)
			client++
		}
	}
	return c, nil
}

func lowered(needles []string) (lower []string) {
	for _, n := range needles {
		lower = append(lower, string(appendLower(nil, []byte(n))))
	}
	return lower
}

// Names returns the names of the classes, in the order of all counts by class.
// The caller must not change it.
func (c *Classes) Names() []string { return c.names }

// Of returns the class of a user agent; nil or empty is Unknown. Only ASCII
// letters are folded, as LOWER does in SQLite and in a PostgreSQL database of
// locale C, which Synapse demands.
func (c *Classes) Of(userAgent []byte) Client {
	var buffer [512]byte
	lower := appendLower(buffer[:0], userAgent)
	synapse := synapseClass(lower)
	for _, r := range c.rules {
		if r.matches(lower) {
			return c.table[slices.Index(c.names, r.Name)][synapse]
		}
	}
	return c.table[synapse][synapse]
}

// Rule returns the name of the first configured rule that matches a text, such as
// the name of a client; false if none does. Synapse's own classes are no rules.
func (c *Classes) Rule(text []byte) (name string, found bool) {
	lower := appendLower(nil, text)
	for _, r := range c.rules {
		if r.matches(lower) {
			return r.Name, true
		}
	}
	return "", false
}

// matches looks for the pieces of a rule in a lower-case text.
func (r Rule) matches(lower []byte) bool {
	return (len(r.Any) == 0 || holdsAny(lower, r.Any)) && holdsAll(lower, r.All)
}

// synapseClass sorts a lower-case user agent as Synapse does
// (count_r30v2_users in synapse/storage/databases/main/metrics.py, 1.160). The
// tests are for substrings of the whole: "axios" holds "ios". An agent with
// "riot" or "element" but no platform is unknown and never web, whatever else
// it says.
func synapseClass(lower []byte) int {
	if holdsAny(lower, []string{"riot", "element"}) {
		for _, platform := range []struct {
			needle string
			class  int
		}{{"electron", synapseElectron}, {"android", synapseAndroid}, {"ios", synapseIOS}} {
			if bytes.Contains(lower, []byte(platform.needle)) {
				return platform.class
			}
		}
		return synapseUnknown
	}
	if holdsAny(lower, []string{"mozilla", "gecko"}) {
		return synapseWeb
	}
	return synapseUnknown
}

// A Classifier is Classes.Of with a cache: a server has many more rows than user
// agents. It is for one goroutine.
type Classifier struct {
	classes *Classes
	seeds   [2]maphash.Seed
	known   map[[2]uint64]Client // by two hashes of the agent
}

// Classifier returns one that knows no agent yet.
func (c *Classes) Classifier() *Classifier {
	return &Classifier{c, [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, make(map[[2]uint64]Client)}
}

// maxKnown bounds the memory of a Classifier against servers whose clients
// invent an agent for each request.
const maxKnown = 1 << 18

// Of is Classes.Of.
func (c *Classifier) Of(userAgent []byte) Client {
	key := [2]uint64{maphash.Bytes(c.seeds[0], userAgent), maphash.Bytes(c.seeds[1], userAgent)}
	client, ok := c.known[key]
	if !ok {
		client = c.classes.Of(userAgent)
		if len(c.known) >= maxKnown {
			clear(c.known)
		}
		c.known[key] = client
	}
	return client
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

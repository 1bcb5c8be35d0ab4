//go:build live

package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// figures are values by series: name{label="value",…}, or any other name that
// both sides of a comparison use.
type figures map[string]float64

// pick returns the figures whose names begin with one of the prefixes.
func (f figures) pick(prefixes ...string) figures {
	picked := make(figures)
	for name, value := range f {
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			picked[name] = value
		}
	}
	return picked
}

// differences lists what is not the same on both sides, in the order of names.
func differences(theirs, ours figures) (found []string) {
	all := maps.Clone(theirs)
	maps.Copy(all, ours)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		their, there := theirs[name]
		our, here := ours[name]
		switch {
		case !here:
			found = append(found, fmt.Sprintf("%s: the server says %v, the exporter nothing", name, their))
		case !there:
			found = append(found, fmt.Sprintf("%s: the server says nothing, the exporter %v", name, our))
		case their != our:
			found = append(found, fmt.Sprintf("%s: the server says %v, the exporter %v", name, their, our))
		}
	}
	return found
}

// row is one line of the table of results.
type row struct {
	server, version, storage string
	figures, differences     int
	missing                  string // why it was not run
	failed                   bool
}

// compare counts and reports what is not the same. Sides without figures are
// a mistake of the test.
func (r *row) compare(t *testing.T, what string, theirs, ours figures) {
	t.Helper()
	if len(theirs) == 0 {
		t.Errorf("%s: the server says nothing", what)
	}
	all := maps.Clone(theirs)
	maps.Copy(all, ours)
	r.figures += len(all)
	r.compareAgain(t, what, theirs, ours)
}

// compareAgain is compare for what is tried a number of times that differs from run
// to run: it counts no figures.
func (r *row) compareAgain(t *testing.T, what string, theirs, ours figures) {
	t.Helper()
	for _, difference := range differences(theirs, ours) {
		r.differences++
		t.Errorf("%s: %s", what, difference)
	}
}

// notice demands that a comparison sees a mistake that was made on purpose.
func (r *row) notice(t *testing.T, mistake string, theirs, ours figures) {
	t.Helper()
	if len(differences(theirs, ours)) == 0 {
		t.Errorf("%s, and the comparison does not see it", mistake)
	}
}

// summary is the table of results.
type summary struct {
	mutex sync.Mutex
	rows  []*row
}

func (s *summary) add(r *row) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.rows = append(s.rows, r)
}

// markdown returns the table. A row that was not run says so.
func (s *summary) markdown() string {
	var b strings.Builder
	b.WriteString("| Server | Version | Storage | Figures compared | Differences |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range s.rows {
		compared, different := fmt.Sprint(r.figures), fmt.Sprint(r.differences)
		switch {
		case r.missing != "":
			compared, different = "not run", "not run: "+r.missing
		case r.failed && r.differences == 0: // something else went wrong
			different = "failed"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.server, r.version, r.storage, compared, different)
	}
	b.WriteString("| MongooseIM | – | – | none | there is no package of it: captured records and answers stand for it |\n")
	return b.String()
}

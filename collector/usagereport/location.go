package usagereport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// A Location is where a report was sent from, by the codes of continents (EU) and of
// countries (ISO 3166-1 alpha-2: DE); "" if it is not known.
type Location struct{ Continent, Country string }

// The keys under which a receiver keeps the location with a report.
const (
	continentKey = "sent_from_continent"
	countryKey   = "sent_from_country"
)

var code = regexp.MustCompile(`^[A-Z]{2}$`)

// NewLocation returns the Location with two codes. What is no code, as in a database
// that is damaged, is not known.
func NewLocation(continent, country string) (l Location) {
	if code.MatchString(continent) {
		l.Continent = continent
	}
	if code.MatchString(country) {
		l.Country = country
	}
	return l
}

// Locate returns the body of a report with the location that the receiver found, which
// replaces whatever the sender wrote there.
func Locate(body []byte, l Location) []byte {
	open, ok := bytes.CutSuffix(bytes.TrimRight(body, " \t\r\n"), []byte("}"))
	if !ok {
		return body // no report
	}
	return slices.Concat(open, fmt.Appendf(nil, `,%q:%q,%q:%q}`, continentKey, l.Continent, countryKey, l.Country))
}

// locationOf reads the location that is kept with a report.
func locationOf(values map[string]json.RawMessage) (l Location) {
	for key, into := range map[string]*string{continentKey: &l.Continent, countryKey: &l.Country} {
		var text string
		if json.Unmarshal(values[key], &text) == nil && code.MatchString(text) {
			*into = text
		}
	}
	return l
}

package prosody_test

import (
	"encoding/json"
	"testing"

	"active_users_exporter/collector/prosody"
)

// The usual values are read without encoding/json, and as it reads them.
var usualValues = map[string]float64{
	`{"timestamp":1749988799}`:                                     1749988799,
	`{"timestamp":1749988799,"ip":"192.0.2.1"}`:                    1749988799,
	`{"ip":"2001:db8::1","timestamp":1749988799}`:                  1749988799,
	`{"ip":"fe80::1%2","timestamp":5}`:                             5,
	`{"ip":"::ffff:192.0.2.1","timestamp":999999999999999}`:        999999999999999,
	`{"ip":"","timestamp":1749988799}`:                             1749988799,
	`{"ip":"192.0.2.1","timestamp":1749988799,"ip":"2001:DB8::1"}`: 1749988799,
}

func TestUsualTimestamps(t *testing.T) {
	for value, want := range usualValues {
		at, err := prosody.TimestampIn([]byte("json"), []byte(value))
		if err != nil || at != want || !prosody.CommonTimestamp([]byte(value)) {
			t.Errorf("%s: %f and error %v, want %f", value, at, err, want)
		}
	}
}

// FuzzTimestamp compares all values with what encoding/json makes of them.
func FuzzTimestamp(f *testing.F) {
	for value := range usualValues {
		f.Add([]byte(value))
	}
	for _, value := range []string{
		``, `{`, `{}`, `[]`, `null`, `5`, `{"timestamp":}`, `{"timestamp":null}`, `{"timestamp":0}`, `{"timestamp":01}`, `{"timestamp":-1}`,
		`{"timestamp":1749988799.5}`, `{"timestamp":1e9}`, `{"timestamp":1e999}`, `{"timestamp":9999999999999999}`, `{"timestamp":"1749988799"}`,
		` {"timestamp":1749988799}`, `{"timestamp":1749988799} `, `{"timestamp":1749988799}}`, `{"timestamp":1749988799,}`, `{"Timestamp":1749988799}`,
		`{"timestamp":1,"timestamp":2}`, `{"timestamp":1,"ip":"192.0.2.1"`, `{"timestamp":1,"ip":"a\"b"}`, `{"ip":"192.0.2.1"}`, `{"ip":"x","timestamp":3}`,
		`{"ip":"1""timestamp":3}`, `{"ip":"1",,"timestamp":3}`, `{"ip":"1"`, `"timestamp":3}`,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var table struct {
			Timestamp *float64 `json:"timestamp"`
		}
		wrong, want := json.Unmarshal(value, &table), 0.0
		if wrong == nil && table.Timestamp != nil {
			want = max(0, *table.Timestamp)
		}
		at, err := prosody.TimestampIn([]byte("json"), value)
		if (err != nil) != (wrong != nil) || err == nil && at != want {
			t.Errorf("%s: %f and error %v, encoding/json says %f and %v", value, at, err, want, wrong)
		}
	})
}

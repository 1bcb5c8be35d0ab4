package systemmetrics

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// event is one of either age: since 6.1 with a name and parameters, before with
// a name, a key and a value.
type event struct {
	name       string
	params     map[string]any // nil for an old one
	key, value any
}

// events are those of a file or request.
type events struct {
	client string
	all    []event
	// most is how many a request can hold; whole says that it is a file.
	most  int
	whole bool
}

// wire is an event of either age as JSON.
type wire struct {
	Name   string         `json:"name"`
	Params map[string]any `json:"params"`

	ReportName string `json:"report_name"`
	Key        any    `json:"key"`
	Value      any    `json:"value"`
}

func decode(body []byte) (events, error) {
	body = bytes.TrimSpace(body)
	switch {
	case bytes.HasPrefix(body, []byte("[")):
		var list []wire
		if numbers(body, &list) != nil {
			return events{}, ErrShape
		}
		return collect(events{whole: true}, list)
	case bytes.HasPrefix(body, []byte("{")):
		var request struct {
			ClientID string `json:"client_id"`
			Events   []wire `json:"events"`
		}
		if numbers(body, &request) != nil {
			return events{}, ErrShape
		}
		return collect(events{client: request.ClientID, most: MaxRequestEvents}, request.Events)
	case bytes.HasPrefix(body, []byte("v=1&")):
		return lines(string(body))
	}
	return events{}, ErrShape
}

// numbers decodes JSON and keeps integers exact.
func numbers(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return ErrShape
	}
	return nil
}

func collect(e events, list []wire) (events, error) {
	for _, w := range list {
		switch {
		case w.ReportName != "":
			e.all = append(e.all, event{name: w.ReportName, key: w.Key, value: w.Value})
		case w.Name != "":
			if w.Params == nil {
				w.Params = map[string]any{}
			}
			e.all = append(e.all, event{name: w.Name, params: w.Params})
		}
	}
	if len(e.all) == 0 {
		return events{}, ErrShape
	}
	return e, nil
}

// lines reads a body of Universal Analytics. Nothing in it is percent-encoded.
func lines(body string) (events, error) {
	e := events{most: maxOldEvents}
	for line := range strings.Lines(body) {
		fields := make(map[string]string)
		for field := range strings.SplitSeq(strings.TrimRight(line, "\r\n"), "&") {
			key, value, _ := strings.Cut(field, "=")
			fields[key] = strings.Trim(value, `"`)
		}
		if fields["t"] == "event" && fields["ec"] != "" {
			e.client = fields["cid"]
			e.all = append(e.all, event{name: fields["ec"], key: fields["ea"], value: fields["el"]})
		}
	}
	if len(e.all) == 0 {
		return events{}, ErrShape
	}
	return e, nil
}

// text returns a value as text, "" if it is no single one.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return clipped(v)
	case json.Number:
		return clipped(v.String())
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

package mongooseim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/webapi"
)

// api asks the admin schema of MongooseIM's GraphQL (priv/graphql/schemas/admin,
// 6.0 to 6.8). A field that a version does not know fails the whole query, so
// newer ones are looked up first.
type api struct{ *webapi.Client }

// codes say which fields have no value and why: the server's error code by the first
// name of the field's path. The rest of the answer is good.
type codes map[string]string

// query asks and decodes the data of the answer, which may be there in part.
func (a api) query(ctx context.Context, query string, into any) (codes, error) {
	body, err := a.Post(ctx, "", map[string]string{"query": query})
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []struct {
			Path       []any `json:"path"`
			Extensions struct {
				Code string `json:"code"`
			} `json:"extensions"`
		} `json:"errors"`
	}
	decoded := json.Unmarshal(body, &answer) == nil
	why := make(codes)
	first := "no data"
	for i, e := range answer.Errors {
		code := errorCode(e.Extensions.Code)
		if len(e.Path) > 0 {
			why[fmt.Sprint(e.Path[0])] = code
		}
		if i == 0 {
			first = code
		}
	}
	switch {
	case err != nil && webapi.StatusOf(err) == http.StatusUnsupportedMediaType:
		return nil, fmt.Errorf("%w (is it MongooseIM's GraphQL?)", err)
	case err != nil && len(answer.Errors) > 0:
		return nil, fmt.Errorf("%w (%s)", err, first)
	case err != nil:
		return nil, err
	case !decoded:
		return nil, a.Fail("", failure.Unexpected, "the answer is not that of a GraphQL interface")
	case len(answer.Data) == 0 || string(answer.Data) == "null":
		return nil, a.failed("the query", first)
	}
	return why, a.Decode("", answer.Data, into)
}

// errorCode returns a code of an error if it is one, and not a sentence: those may
// hold names.
func errorCode(code string) string {
	if regexp.MustCompile(`^[a-z_]{1,40}$`).MatchString(code) {
		return code
	}
	return "an error"
}

// failed returns the error for a field without a value.
func (a api) failed(what, code string) error {
	reason := failure.Unexpected
	if code == "no_permissions" || code == "wrong_credentials" {
		reason = failure.Denied
	}
	if code == "" {
		code = "nothing"
	}
	return a.Fail("", reason, "%s was answered with %s", what, code)
}

// quoted writes a string of GraphQL, whose escapes are those of JSON.
func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""` // strings are always encoded
	}
	return string(text)
}

// alias returns the name of the n-th field: a, b … z, ba, bb …
func alias(n int) string {
	const letters = 'z' - 'a' + 1
	name := string(rune('a' + n%letters))
	if n >= letters {
		name = alias(n/letters) + name
	}
	return name
}

// splitJID returns the local part and the domain of a Jabber ID.
func splitJID(jid string) (user, domain string, ok bool) {
	bare, _, _ := strings.Cut(jid, "/")
	user, domain, ok = strings.Cut(bare, "@")
	return user, domain, ok && user != "" && domain != ""
}

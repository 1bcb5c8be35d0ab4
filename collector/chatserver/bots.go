package chatserver

import (
	"errors"
	"fmt"
	"strings"

	"active_users_exporter/collector/sqldb"
)

// Bots are patterns of the names of bots' accounts, each without the @ and the server's
// name: * stands for any number of characters, ? for one. Bots that are nil match nobody.
type Bots []string

// What a database compares each account with is bounded: twenty patterns take
// PostgreSQL two seconds for a million accounts.
const (
	maxBots      = 20
	maxBotLength = 255 // that of a whole name (Matrix specification, appendix "User Identifiers")
)

// Bots reads the key bots of a Matrix homeserver.
func (i *Item) Bots() (patterns Bots) {
	n := i.Values["bots"]
	if n == nil {
		return nil
	}
	for _, item := range i.List(n, "bots") {
		pattern := i.Text(item, "bots")
		if err := checkBot(pattern); err != nil {
			i.Problem(item, "bots: %q: %s", pattern, err)
		}
		patterns = append(patterns, pattern)
	}
	if len(patterns) > maxBots {
		i.Problem(n, "bots: %d patterns are too many: at most %d are compared with each account", len(patterns), maxBots)
	}
	return patterns
}

// checkBot returns an error for a pattern that no account of today can match, or that
// everybody does. What it accepts has no character but _ with a meaning in SQL.
func checkBot(pattern string) error {
	named := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._=-/+", r)
	}
	switch {
	case pattern == "":
		return errors.New("the pattern is empty: nobody has such a name")
	case len(pattern) > maxBotLength:
		return fmt.Errorf("%d characters are too many: a name has at most %d", len(pattern), maxBotLength)
	case strings.ContainsAny(pattern, "@:"):
		return errors.New("write what stands between the @ and the : alone, as in *-bot")
	case pattern != strings.ToLower(pattern):
		return errors.New("names of accounts have small letters")
	case strings.ContainsFunc(pattern, func(r rune) bool { return !named(r) && r != '*' && r != '?' }):
		return errors.New("names of accounts have letters a to z, digits and . _ = - / +; beside them, * stands for any characters and ? for one")
	case !strings.ContainsFunc(pattern, named):
		return errors.New("everybody may have such a name: want a character that is no wildcard, as in *-bot")
	}
	return nil
}

// Match returns the condition, in SQL, that a name is that of a bot. Around what patterns
// are compared with, it has the same text in all names.
func (b Bots) Match(name, before, after string, engine sqldb.Engine) string {
	if len(b) == 0 {
		return "FALSE"
	}
	operator, escape := "LIKE", " ESCAPE '!'"
	literal := strings.NewReplacer("'", "''", "!", "!!", "%", "!%", "_", "!_")
	wild := strings.NewReplacer("_", "!_", "*", "%", "?", "_")
	if engine == sqldb.SQLite { // whose LIKE does not tell small letters from others
		operator, escape = "GLOB", ""
		literal, wild = strings.NewReplacer("'", "''", "[", "[[]", "*", "[*]", "?", "[?]"), strings.NewReplacer()
	}
	conditions := make([]string, len(b))
	for i, pattern := range b {
		conditions[i] = name + " " + operator + " '" + literal.Replace(before) + wild.Replace(pattern) + literal.Replace(after) + "'" + escape
	}
	return "(" + strings.Join(conditions, " OR ") + ")"
}

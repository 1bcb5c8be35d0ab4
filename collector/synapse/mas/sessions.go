package mas

import (
	"context"
	"strings"
	"unicode/utf8"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// adminScope matches the scopes with which everything may be done, at the homeserver
// (urn:synapse:admin:*) or at MAS.
const adminScope = `scope_list && ARRAY['urn:synapse:admin:*', 'urn:mas:admin']`

// sessions counts open sessions. A personal session is open while one of its tokens
// is neither revoked nor expired; they came with MAS 1.5.
func (r *reading) sessions(ctx context.Context) error {
	query := `
		SELECT CASE WHEN user_id IS NULL THEN 'client' ELSE 'oauth2' END AS kind, ` + adminScope + ` AS admin, COUNT(*) AS sessions
		FROM oauth2_sessions WHERE finished_at IS NULL GROUP BY 1, 2
		UNION ALL SELECT 'compat', is_synapse_admin, COUNT(*) FROM compat_sessions WHERE finished_at IS NULL GROUP BY 1, 2
		UNION ALL SELECT 'browser', FALSE, COUNT(*) FROM user_sessions WHERE finished_at IS NULL`
	kinds := []string{"oauth2", "client", "compat", "browser"}
	if r.complete(personalOpen()) {
		kinds = append(kinds, "personal")
		query += `
		UNION ALL SELECT 'personal', ` + adminScope + `, COUNT(*) FROM personal_sessions AS s
		WHERE revoked_at IS NULL AND EXISTS (SELECT FROM personal_access_tokens AS t
			WHERE t.personal_session_id = s.personal_session_id AND t.revoked_at IS NULL
			  AND (t.expires_at IS NULL OR t.expires_at > ` + r.ago(0) + `))
		GROUP BY 1, 2`
	}
	var rows []struct {
		Kind     string
		Admin    bool
		Sessions int
	}
	if err := r.SelectContext(ctx, &rows, query); err != nil {
		return err
	}
	r.figures.Sessions = make(map[Session]int)
	for _, kind := range kinds {
		r.figures.Sessions[Session{kind, "user"}] = 0
		if kind != "browser" {
			r.figures.Sessions[Session{kind, "admin"}] = 0
		}
	}
	for _, row := range rows {
		rights := "user"
		if row.Admin {
			rights = "admin"
		}
		r.figures.Sessions[Session{row.Kind, rights}] += row.Sessions
	}
	return nil
}

func personalOpen() []table {
	return []table{
		{"personal_sessions", nil, []string{"personal_session_id", "scope_list", "revoked_at"}},
		{"personal_access_tokens", nil, []string{"personal_session_id", "expires_at", "revoked_at"}},
	}
}

func personalActive() []table {
	return []table{{"personal_sessions", nil, []string{"actor_user_id", "last_active_at"}}}
}

// static tells clients that the operator configured from others.
func static() []table { return []table{{"oauth2_clients", nil, []string{"is_static"}}} }

const (
	// maxClients bounds the label client_name: names of static clients, which the
	// operator configured, and of rules. All other clients chose their names
	// themselves, and are otherClients.
	maxClients   = 100
	otherClients = "other"
	maxName      = 128 // bytes of a label
)

// Positions in moments: of each user, the newest moment by kind, and behind the
// kinds by name of client.
const (
	oauth2 = iota
	compat
	personal
	matrix
	firstClient
)

// active counts distinct users. One query brings all sessions of the last 30 days,
// ordered by user, so that the memory needed is that of one user.
func (r *reading) active(ctx context.Context) error {
	labels, labelOf, err := r.clients(ctx)
	if err != nil {
		return err
	}
	const (
		microseconds = `(EXTRACT(EPOCH FROM last_active_at) * 1000000)::bigint`
		matrixScope  = `(scope_list && ARRAY['urn:matrix:client:api:*', 'urn:matrix:org.matrix.msc2967.client:api:*'])::int`
	)
	windows := activity.DefaultWindows()
	recently := ` last_active_at > ` + r.ago(windows[len(windows)-1].Duration())
	query := `
		SELECT user_id, 0, ` + matrixScope + `, oauth2_client_id, ` + microseconds + ` FROM oauth2_sessions WHERE user_id IS NOT NULL AND` + recently + `
		UNION ALL SELECT user_id, 1, 1, NULL, ` + microseconds + ` FROM compat_sessions WHERE` + recently
	kinds := []string{"oauth2", "compat", "", "matrix"}
	if r.missing(personalActive()) != "" { // somebody may be active by those alone
		kinds[matrix] = ""
	}
	if r.complete(personalActive()) {
		kinds[personal] = "personal"
		query += `
		UNION ALL SELECT actor_user_id, 2, 1, NULL, ` + microseconds + ` FROM personal_sessions WHERE` + recently
	}
	c := counter{now: r.now.UnixMicro(), windows: windows, counts: make([][]int, firstClient+len(labels)), newest: make([]int64, firstClient+len(labels))}
	for i := range c.counts {
		c.counts[i] = make([]int, len(windows))
	}
	err = r.Stream(ctx, query+` ORDER BY 1`, 5, func(row *sqldb.Row) {
		c.user(row.Text(0))
		kind, at := int(row.Integer(1)), row.Integer(4)
		c.seen(kind, at)
		if row.Integer(2) == 1 {
			c.seen(matrix, at)
		}
		if client := row.Text(3); client != nil {
			c.seen(firstClient+labelOf[string(client)], at)
		}
	})
	if err != nil {
		return err
	}
	c.user(nil)
	r.figures.addActive(c, kinds, labels)
	if r.missing(static()) != "" {
		r.figures.Clients = nil
	}
	return nil
}

// addActive adds what was counted: kinds without a name are not known.
func (f *Figures) addActive(c counter, kinds, labels []string) {
	f.Active, f.Clients = make(map[Activity]int), make(map[Activity]int)
	for w, window := range c.windows {
		for i, kind := range kinds {
			if kind != "" {
				f.Active[Activity{kind, window}] = c.counts[i][w]
			}
		}
		for i, name := range labels {
			f.Clients[Activity{name, window}] = c.counts[firstClient+i][w]
		}
		for _, i := range []int{compat, personal} {
			if kinds[i] != "" {
				f.Clients[Activity{kinds[i], window}] += c.counts[i][w]
			}
		}
	}
}

// clients returns the names under which clients are counted, the first one is
// otherClients, and for each client the index of its name; 0 for those that are not
// in the map.
func (r *reading) clients(ctx context.Context) (labels []string, labelOf map[string]int, err error) {
	static := "FALSE"
	if r.access.Readable("oauth2_clients", "is_static") {
		static = "is_static"
	}
	labels, labelOf = []string{otherClients}, make(map[string]int)
	index := map[string]int{otherClients: 0}
	err = r.Stream(ctx, `SELECT oauth2_client_id, client_name, `+static+`::int FROM oauth2_clients ORDER BY 1`, 3, func(row *sqldb.Row) {
		name := row.Text(1)
		text, named := r.classes.Rule(name)
		if !named && row.Integer(2) == 1 && len(name) > 0 {
			text, named = label(string(name)), true
		}
		if !named {
			return
		}
		if _, known := index[text]; !known {
			if len(labels) >= maxClients {
				return
			}
			index[text] = len(labels)
			labels = append(labels, text)
		}
		if index[text] != 0 {
			labelOf[string(row.Text(0))] = index[text]
		}
	})
	return labels, labelOf, err
}

// counter counts distinct users, who come one after the other.
type counter struct {
	now     int64 // microseconds
	windows []activity.Window
	current string  // the user
	begun   bool    // there is one
	newest  []int64 // of the current user, microseconds; 0 for none
	counts  [][]int
}

// user ends the current user if the next is another one, or nil.
func (c *counter) user(next []byte) {
	if c.begun && string(next) == c.current && next != nil {
		return
	}
	for i, at := range c.newest {
		if at == 0 {
			continue
		}
		for w, window := range c.windows {
			if at > c.now-window.Duration().Microseconds() {
				c.counts[i][w]++
			}
		}
		c.newest[i] = 0
	}
	c.current, c.begun = string(next), next != nil
}

func (c *counter) seen(what int, at int64) { c.newest[what] = max(c.newest[what], at) }

// label returns a text that is fit for a label: valid, and not too long.
func label(text string) string {
	if len(text) > maxName {
		text = text[:maxName]
		for !utf8.ValidString(text) && len(text) > 0 {
			text = text[:len(text)-1]
		}
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

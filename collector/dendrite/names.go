package dendrite

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"active_users_exporter/collector/sqldb"
)

// serverName is what may stand in a Matrix server name (specification, appendix
// "Server name"). Nothing of it has a meaning in SQL.
var serverName = regexp.MustCompile(`^[A-Za-z0-9.:\[\]_-]{1,255}$`)

// serverNames returns the names whose accounts are counted, in order: the one that
// is configured, or those of all accounts. A Dendrite has one name; accounts of
// another one are there after the server was renamed, or from a build that somebody
// has made for virtual hosts.
func (r *Reader) serverNames(ctx context.Context, view sqldb.View) (names, warnings []string, err error) {
	var found []string
	// A scan of userapi_accounts: no index begins with server_name.
	if err := view.SelectContext(ctx, &found, `SELECT DISTINCT server_name FROM userapi_accounts`); err != nil {
		return nil, nil, err
	}
	slices.Sort(found)
	if configured := r.options.ServerName; configured != "" {
		if len(found) > 1 || len(found) == 1 && found[0] != configured {
			warnings = append(warnings, fmt.Sprintf("userapi_accounts holds accounts of names other than %s: they are left out", configured))
		}
		return []string{configured}, warnings, nil
	}
	for _, name := range found {
		if serverName.MatchString(name) {
			names = append(names, name)
		} else {
			warnings = append(warnings, "a server_name in userapi_accounts is no Matrix server name: its accounts are left out")
		}
	}
	switch len(names) {
	case 0:
		warnings = append(warnings, "there are no accounts yet, and without one the server's name is unknown: no figures")
	case 1:
	default:
		warnings = append(warnings, fmt.Sprintf("userapi_accounts holds accounts of several server names (%s): a name of a user that two of them have shares its visits, which Dendrite keeps without the server's name", strings.Join(names, ", ")))
	}
	return names, warnings, nil
}

// literal is the server's name in SQL. Streams have no parameters.
func (r *reading) literal() string {
	return "'" + strings.ReplaceAll(string(r.server), "'", "''") + "'"
}

package dendrite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/sqldb"
)

// oldest is said of a database that lacks something: what is read here has not
// changed since.
const oldest = "Dendrite 0.10.8 is the oldest whose database can be read"

// A part is a part of Dendrite's database: some columns of a table.
type part struct {
	table   string
	columns []string
	leftOut string // the figures that need it, "" if all do
}

// parts are those that are read, the ones that all figures need first.
func parts() []part {
	return []part{
		accountsPart:   {"userapi_accounts", []string{"localpart", "server_name", "created_ts", "appservice_id", "is_deactivated", "account_type"}, ""},
		devicesPart:    {"userapi_devices", []string{"localpart", "server_name", "device_id", "created_ts", "last_seen_ts", "user_agent"}, ""},
		visitsPart:     {"userapi_daily_visits", []string{"localpart", "device_id", "timestamp", "user_agent"}, ""},
		dailyStatsPart: {"userapi_daily_stats", append([]string{"timestamp", "server_name"}, dailyColumns()...), "the messages of the day are"},
		roomsPart:      {"roomserver_rooms", []string{"room_id"}, "the number of rooms is"},
	}
}

const (
	accountsPart = iota
	devicesPart
	visitsPart
	dailyStatsPart
	roomsPart
	requiredParts = dailyStatsPart // how many all figures need
)

// access says which columns there are, and whether they may be read.
type access struct{ sqldb.Access }

// lookUp asks the database's catalogue.
func lookUp(ctx context.Context, view sqldb.View) (access, error) {
	tables := []string{"account_accounts"} // what userapi_accounts was called before 0.10.4
	for _, p := range parts() {
		tables = append(tables, p.table)
	}
	found, err := view.Access(ctx, tables...)
	return access{found}, err
}

// hasTable says whether any column of a table is there.
func (a access) hasTable(table string) bool {
	for name := range a.Access {
		if strings.HasPrefix(name, table+".") {
			return true
		}
	}
	return false
}

// lacks returns those of a part's columns that are not there, and those that may not
// be read.
func (a access) lacks(p part) (missing, refused []string) {
	for _, column := range p.columns {
		switch {
		case !a.Exists(p.table, column):
			missing = append(missing, column)
		case !a.Readable(p.table, column):
			refused = append(refused, column)
		}
	}
	return missing, refused
}

// has says whether a part can be read as a whole.
func (a access) has(number int) bool {
	missing, refused := a.lacks(parts()[number])
	return len(missing)+len(refused) == 0
}

// sufficient returns an error if something lacks that all figures need.
func (a access) sufficient() error {
	required := parts()[:requiredParts]
	if !slices.ContainsFunc(required, func(p part) bool { return a.hasTable(p.table) }) {
		switch {
		case a.hasTable("account_accounts"):
			return failure.New(failure.Unexpected, "there is a table account_accounts and no userapi_accounts: %s", oldest)
		case a.hasTable("roomserver_rooms"):
			return failure.New(failure.Unexpected, "this is the database of Dendrite's room server: the one of its user API is needed (user_api.account_database)")
		}
		return failure.New(failure.Unexpected, "there is none of the tables userapi_accounts, userapi_devices and userapi_daily_visits: is this the database of Dendrite's user API, and may the tables be seen?")
	}
	for _, p := range required {
		missing, refused := a.lacks(p)
		switch {
		case !a.hasTable(p.table):
			return failure.New(failure.Unexpected, "there is no table %s: %s", p.table, oldest)
		case len(missing) > 0:
			return failure.New(failure.Unexpected, "the table %s has no column %s: %s", p.table, strings.Join(missing, ", "), oldest)
		case len(refused) > 0:
			return failure.New(failure.Denied, "no permission to read the columns %s of the table %s: GRANT SELECT on those that docs/dendrite.md lists", strings.Join(refused, ", "), p.table)
		}
	}
	return nil
}

// warnings name what else cannot be read.
func (a access) warnings(of ...int) (all []string) {
	for _, number := range of {
		if p := parts()[number]; !a.has(number) {
			all = append(all, fmt.Sprintf("no permission to read the columns %s of the table %s, or they do not exist: %s left out", strings.Join(p.columns, ", "), p.table, p.leftOut))
		}
	}
	return all
}

// MissingGrants implements chatserver.Granted. The room server may have a database of
// its own.
func (o Options) MissingGrants(ctx context.Context) ([]sqldb.Grants, error) {
	var needs []sqldb.Need
	for number, p := range parts() {
		need := sqldb.Need{Table: p.table, Columns: p.columns}
		if number == dailyStatsPart { // all of it is numbers
			need.Columns = nil
		}
		needs = append(needs, need)
	}
	if o.Rooms == o.Database {
		o.Rooms = sqldb.Source{}
	}
	return chatserver.MissingGrants(ctx, []sqldb.Source{o.Database, o.Rooms}, o.PasswordFile, needs...)
}

package chatserver

import (
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
)

// An Access is what it takes to ask a running server beside, or instead of, its
// database.
type Access struct {
	// Endpoint is the interface of the running server, the zero Endpoint for none.
	Endpoint webapi.Endpoint
	// EndpointPasswordFile and DatabasePasswordFile are the files with the passwords,
	// "" for none.
	EndpointPasswordFile, DatabasePasswordFile string
}

// Access reads the keys of the interface called name, such as api_url and
// api_password_file, and password_file, which is that of whatever from names: a
// database, or the interface itself, which is then located.
func (i *Item) Access(name, example string, database sqldb.Source, located webapi.Endpoint) Access {
	urlKey, passwordKey := name+"_url", name+"_password_file"
	a := Access{Endpoint: located}
	switch n := i.Values["password_file"]; {
	case !database.IsZero():
		a.DatabasePasswordFile = i.DatabasePasswordFile(n, database)
	case i.Values[urlKey] == nil:
		a.EndpointPasswordFile = i.EndpointPasswordFile(n, "password_file", located)
	case n != nil:
		i.Problem(n, "password_file is for a database server: write %s for %s", passwordKey, urlKey)
	}
	if n := i.Values[urlKey]; n != nil {
		if !located.IsZero() {
			i.Problem(n, "%s: from is such a URL already", urlKey)
		}
		a.Endpoint = i.Endpoint(n, urlKey, example)
	}
	if n := i.Values[passwordKey]; n != nil {
		a.EndpointPasswordFile = i.EndpointPasswordFile(n, passwordKey, a.Endpoint)
	}
	return a
}

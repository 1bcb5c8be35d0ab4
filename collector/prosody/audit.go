package prosody

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/files"
	"active_users_exporter/collector/prosody/luadata"
	"active_users_exporter/collector/sqldb"
)

// auditLogin is the type of the events that are logins (mod_audit_auth).
const auditLogin = "authentication-success"

// ArchivedLogins implements chatserver.LoginArchive: mod_audit keeps an archive for
// each virtual host, the store audit. Records that are no logins, or damaged, are
// passed over.
func (o Options) ArchivedLogins(ctx context.Context, use func(chatserver.Login)) error {
	for _, place := range o.places() {
		if err := place.archivedLogins(ctx, use); err != nil {
			return err
		}
	}
	return nil
}

func (o Options) archivedLogins(ctx context.Context, use func(chatserver.Login)) error {
	if o.DataPath != "" {
		return auditFiles(ctx, o, use)
	}
	return o.Database.Read(ctx, sqldb.Options{PasswordFile: o.PasswordFile}, func(ctx context.Context, view sqldb.View) error {
		// In the order of the index (host, user, store, when): the store
		// belongs to the host, and so to the empty user.
		const query = `SELECT host, "with", "when" FROM prosodyarchive WHERE store = 'audit' AND "user" = '' AND value LIKE '%` + auditLogin + `%'`
		err := view.Stream(ctx, query, 3, func(row *sqldb.Row) {
			l := chatserver.Login{Domain: string(row.Text(0)), User: string(row.Text(1)), At: time.Unix(row.Integer(2), 0)}
			if l.User != "" && o.serves(l.Domain) {
				use(l)
			}
		})
		if err != nil {
			return fmt.Errorf("read the store audit from the table prosodyarchive: %w", err)
		}
		return nil
	})
}

// maxArchive is more than the logins of a million users in a year.
const maxArchive = 4 << 30

// auditFiles reads the archives of internal storage, HOST/audit.list: a
// sequence of item({…}); as util.datamanager writes it.
func auditFiles(ctx context.Context, o Options, use func(chatserver.Login)) error {
	folders, err := files.ReadFolder(o.DataPath)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		host, ok := decodeName(folder.Name())
		if !ok || !o.serves(host) {
			continue
		}
		content, _, err := files.Read(filepath.Join(o.DataPath, folder.Name(), "audit.list"), maxArchive)
		if isNoFolder(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for item := range bytes.SplitSeq(content, []byte("item(")) {
			if l, ok := auditItem(item); ok {
				l.Domain = host
				use(l)
			}
		}
	}
	return nil
}

// auditItem reads what stands between item( and the next one.
func auditItem(item []byte) (l chatserver.Login, ok bool) {
	end := bytes.LastIndex(item, []byte(")"))
	if end < 0 {
		return l, false
	}
	login := false
	err := luadata.Scan(slices.Concat([]byte("return "), item[:end]), func(path []luadata.Value, v luadata.Value) {
		switch {
		case len(path) == 1 && path[0].Is("when"):
			if at, number := v.Number(); number {
				l.At = time.Unix(int64(at), 0)
			}
		case len(path) == 1 && path[0].Is("with") && v.Kind == luadata.String:
			l.User = string(v.Text)
		default:
			login = login || v.Is(auditLogin)
		}
	})
	return l, err == nil && login && l.User != "" && !l.At.IsZero()
}

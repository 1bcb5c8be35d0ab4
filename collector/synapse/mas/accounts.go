package mas

import (
	"context"
	"time"
)

const day = 24 * time.Hour

// accounts counts all accounts by state. Before MAS 0.15 deactivated accounts are
// locked ones. A scan of the table.
func (r *reading) accounts(ctx context.Context) error {
	deactivated := r.orNull("users", "deactivated_at", "timestamptz")
	var n struct{ Active, Locked, Deactivated, Created int }
	err := r.GetContext(ctx, &n, `
		SELECT COUNT(*) FILTER (WHERE `+deactivated+` IS NULL AND locked_at IS NULL) AS active,
		       COUNT(*) FILTER (WHERE `+deactivated+` IS NULL AND locked_at IS NOT NULL) AS locked,
		       COUNT(*) FILTER (WHERE `+deactivated+` IS NOT NULL) AS deactivated,
		       COUNT(*) FILTER (WHERE created_at > `+r.ago(day)+`) AS created
		FROM users`)
	if err != nil {
		return err
	}
	r.figures.Accounts = map[string]int{"active": n.Active, "locked": n.Locked, "deactivated": n.Deactivated}
	r.figures.Created = &n.Created
	return nil
}

// withoutPassword joins by the index of user_passwords.user_id. A user who changed
// the password has several rows.
func (r *reading) withoutPassword(ctx context.Context) error {
	var n int
	err := r.GetContext(ctx, &n, `
		SELECT COUNT(*) FROM users
		WHERE `+r.orNull("users", "deactivated_at", "timestamptz")+` IS NULL
		  AND NOT EXISTS (SELECT FROM user_passwords WHERE user_passwords.user_id = users.user_id)`)
	r.figures.WithoutPassword = &n
	return err
}

// maxProviders bounds the label provider: those with the most accounts.
const maxProviders = 50

// linked counts accounts by identity provider, under the name that people see.
func (r *reading) linked(ctx context.Context) error {
	var rows []struct {
		Provider string
		Accounts int
	}
	err := r.SelectContext(ctx, &rows, `
		SELECT COALESCE(p.human_name, p.issuer, '') AS provider, COUNT(DISTINCT links.user_id) AS accounts
		FROM upstream_oauth_links AS links
		JOIN upstream_oauth_providers AS p USING (upstream_oauth_provider_id)
		JOIN users ON users.user_id = links.user_id
		WHERE `+r.orNull("users", "deactivated_at", "timestamptz")+` IS NULL
		GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $1`, maxProviders)
	if err != nil {
		return err
	}
	r.figures.Linked = make(map[string]int)
	for _, row := range rows {
		r.figures.Linked[label(row.Provider)] += row.Accounts
	}
	return nil
}

// registrations counts a table without an index on time, whose rows are deleted
// after 30 days. It came with MAS 0.13.
func (r *reading) registrations(ctx context.Context) error {
	if !r.access.Readable("user_registrations", "created_at") {
		return nil
	}
	var n struct{ Started, Completed, Abandoned int }
	err := r.GetContext(ctx, &n, `
		SELECT COUNT(*) FILTER (WHERE created_at > `+r.ago(day)+`) AS started,
		       COUNT(*) FILTER (WHERE completed_at > `+r.ago(day)+`) AS completed,
		       COUNT(*) FILTER (WHERE completed_at IS NULL AND created_at <= `+r.ago(time.Hour)+`) AS abandoned
		FROM user_registrations`)
	if err != nil {
		return err
	}
	r.figures.Registrations = map[string]int{"started": n.Started, "completed": n.Completed, "abandoned": n.Abandoned}
	return nil
}

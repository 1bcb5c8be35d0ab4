package reports

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/systemmetrics"
)

// nodeRow is what is known of a node of a MongooseIM cluster, whose parts may
// have come to different receivers.
type nodeRow struct {
	Client             string `db:"client_id"`
	Node               string
	Complete, Building []byte  // JSON, nil if there is none
	Age                float64 // seconds since the newest part, by the database's clock
}

// nodeColumns are those of nodeRow.
const nodeColumns = `client_id, node, complete, building, CAST(EXTRACT(EPOCH FROM clock_timestamp() - changed_at) AS DOUBLE PRECISION) AS age`

// keepPart puts the report together in the database, which lets one receiver at
// a time do so for a node. A node is identified by a hash of its address, which
// itself is not stored.
func (d *postgresDatabase) keepPart(ctx context.Context, _ *clusters, from node, p systemmetrics.Part, now time.Time) error {
	hash := sha256.Sum256([]byte(from.client + " " + from.address))
	name := hex.EncodeToString(hash[:8])
	err := d.transaction(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO mongooseim_nodes (client_id, node, changed_at) VALUES ($1, $2, clock_timestamp())
			ON CONFLICT (client_id, node) DO NOTHING`, from.client, name); err != nil {
			return err
		}
		var row nodeRow
		if err := tx.GetContext(ctx, &row, `SELECT `+nodeColumns+` FROM mongooseim_nodes WHERE client_id = $1 AND node = $2 FOR UPDATE`, from.client, name); err != nil {
			return err
		}
		n, err := row.report(now)
		if err != nil {
			return err
		}
		n.add(p, now)
		complete, err := encoded(n.complete)
		if err != nil {
			return err
		}
		building, err := encoded(n.building)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE mongooseim_nodes SET complete = $3, building = $4, changed_at = clock_timestamp()
			WHERE client_id = $1 AND node = $2`, from.client, name, complete, building)
		return err
	})
	if err != nil {
		return fmt.Errorf("store a report: %w", err)
	}
	return nil
}

// report reads a row at a moment.
func (r nodeRow) report(now time.Time) (*nodeReport, error) {
	n := &nodeReport{received: now.Add(-time.Duration(r.Age * float64(time.Second)))}
	for _, c := range []struct {
		content []byte
		report  **systemmetrics.Report
	}{{r.Complete, &n.complete}, {r.Building, &n.building}} {
		if c.content == nil {
			continue
		}
		if err := json.Unmarshal(c.content, c.report); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// encoded is the content of a column.
func encoded(r *systemmetrics.Report) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	return json.Marshal(r)
}

func (d *postgresDatabase) restoreClusters(ctx context.Context, c *clusters, now time.Time, within time.Duration) error {
	var rows []nodeRow
	if err := d.db.SelectContext(ctx, &rows, `SELECT `+nodeColumns+` FROM mongooseim_nodes WHERE changed_at > `+ago, within.Seconds()); err != nil {
		return fmt.Errorf("read the newest reports: %w", err)
	}
	for _, row := range rows {
		if n, err := row.report(now); err == nil {
			n.received = n.received.Round(time.Second) // the same, whenever it is read
			c.put(node{row.Client, row.Node}, n)
		}
	}
	return nil
}

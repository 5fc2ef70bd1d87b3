// The peer a Go team would write: net/http, pgx with its pool, golang-jwt with
// a cache of verified tokens, zerolog. One process; the runtime uses all cores.
//
//	peer SETTINGS.json     (written by stack.py)
package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	"github.com/rs/zerolog"
)

type settings struct {
	Port      int               `json:"port"`
	DSN       string            `json:"dsn"`
	PublicKey string            `json:"public_key"`
	SQL       map[string]string `json:"sql"`
}

type server struct {
	settings
	pool  *pgxpool.Pool
	key   *ecdsa.PublicKey
	known sync.Map // token text -> *claims, until it expires
	log   zerolog.Logger
}

type claims struct {
	jwt.StandardClaims
	Session string `json:"sid"`
	Role    string `json:"role"`
	Street  int    `json:"street"`
	Epoch   int    `json:"epoch"`
}

type brief struct {
	ID           string     `json:"id"`
	Number       string     `json:"number"`
	Kind         string     `json:"kind"`
	Category     string     `json:"category"`
	Urgency      string     `json:"urgency"`
	Status       string     `json:"status"`
	Title        string     `json:"title"`
	GridID       string     `json:"grid_id"`
	Public       bool       `json:"public"`
	OnBehalf     bool       `json:"on_behalf"`
	Mine         bool       `json:"mine"`
	SupportCount int        `json:"support_count"`
	CommentCount int        `json:"comment_count"`
	PhotoCount   int        `json:"photo_count"`
	ThankCount   int        `json:"thank_count"`
	MergedCount  int        `json:"merged_count"`
	Stars        *int       `json:"stars"`
	DueAt        *time.Time `json:"due_at"`
	Colour       *string    `json:"colour"`
	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"`
}

type page struct {
	Items []brief `json:"items"`
	Next  *string `json:"next"`
}

type ticket struct {
	ID               string           `json:"id"`
	Number           string           `json:"number"`
	Kind             string           `json:"kind"`
	Category         string           `json:"category"`
	Urgency          string           `json:"urgency"`
	Status           string           `json:"status"`
	Title            string           `json:"title"`
	Description      string           `json:"description"`
	GridID           string           `json:"grid_id"`
	GridName         *string          `json:"grid_name"`
	Public           bool             `json:"public"`
	OnBehalf         bool             `json:"on_behalf"`
	OnBehalfNote     *string          `json:"on_behalf_note"`
	Mine             bool             `json:"mine"`
	ContactName      *string          `json:"contact_name"`
	ContactPhoneMask *string          `json:"contact_phone_mask"`
	Address          *string          `json:"address"`
	CompoundID       *string          `json:"compound_id"`
	Building         *string          `json:"building"`
	Position         *json.RawMessage `json:"position"`
	PositionGCJ02    *json.RawMessage `json:"position_gcj02"`
	Answers          *json.RawMessage `json:"answers"`
	Reply            *string          `json:"reply"`
	HandlerID        *string          `json:"handler_id"`
	Stars            *int             `json:"stars"`
	Rating           *json.RawMessage `json:"rating"`
	SupportCount     int              `json:"support_count"`
	Supported        bool             `json:"supported"`
	ThankCount       int              `json:"thank_count"`
	Thanked          bool             `json:"thanked"`
	CommentCount     int              `json:"comment_count"`
	PhotoCount       int              `json:"photo_count"`
	MergedInto       *string          `json:"merged_into"`
	MergedCount      int              `json:"merged_count"`
	ReopenedCount    int              `json:"reopened_count"`
	DueAt            *time.Time       `json:"due_at"`
	Colour           *string          `json:"colour"`
	HotlineClass     *string          `json:"hotline_class"`
	UrgedCount       int              `json:"urged_count"`
	SupervisedAt     *time.Time       `json:"supervised_at"`
	CreatedAt        time.Time        `json:"created_at"`
	UpdatedAt        time.Time        `json:"updated_at"`
	AcceptedAt       *time.Time       `json:"accepted_at"`
	ResolvedAt       *time.Time       `json:"resolved_at"`
	RepliedAt        *time.Time       `json:"replied_at"`
	ClosedAt         *time.Time       `json:"closed_at"`
	Actions          json.RawMessage  `json:"actions"`
	Similar          json.RawMessage  `json:"similar"`
}

var errToken = errors.New("token")

func (s *server) authenticate(r *http.Request) (*claims, error) {
	text := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c, ok := s.known.Load(text); ok {
		if c := c.(*claims); c.Valid() == nil {
			return c, nil
		}
		s.known.Delete(text)
	}
	c := &claims{}
	_, err := jwt.ParseWithClaims(text, c, func(t *jwt.Token) (interface{}, error) {
		if t.Method != jwt.SigningMethodES256 {
			return nil, errToken
		}
		return s.key, nil
	})
	if err != nil || !c.VerifyIssuer("linli", true) || !c.VerifyAudience("linli", true) {
		return nil, errToken
	}
	s.known.Store(text, c)
	return c, nil
}

// One request's transaction: the caller's context, then the query.
func (s *server) within(ctx context.Context, c *claims, query func(tx pgx.Tx) error) error {
	return s.pool.BeginFunc(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, s.SQL["enter"], c.Session,
			c.Subject+" "+c.Role+" "+strconv.Itoa(c.Street)+" "+strconv.Itoa(c.Epoch))
		if err != nil {
			return err
		}
		return query(tx)
	})
}

func reply(w http.ResponseWriter, status int, body interface{}) int {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
	return status
}

func problem(w http.ResponseWriter, status int) int {
	return reply(w, status, map[string]interface{}{
		"title": http.StatusText(status), "status": status})
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func (s *server) getTicket(w http.ResponseWriter, r *http.Request, c *claims) int {
	id := strings.TrimPrefix(r.URL.Path, "/v1/tickets/")
	if !uuid.MatchString(id) {
		return problem(w, 400)
	}
	var t ticket
	var etag string
	err := s.within(r.Context(), c, func(tx pgx.Tx) error {
		return tx.QueryRow(r.Context(), s.SQL["getTicket"], c.Street, id).Scan(&etag,
			&t.ID, &t.Number, &t.Kind, &t.Category, &t.Urgency, &t.Status, &t.Title,
			&t.Description, &t.GridID, &t.GridName, &t.Public, &t.OnBehalf,
			&t.OnBehalfNote, &t.Mine, &t.ContactName, &t.ContactPhoneMask, &t.Address,
			&t.CompoundID, &t.Building, &t.Position, &t.PositionGCJ02, &t.Answers,
			&t.Reply, &t.Stars, &t.Rating, &t.SupportCount, &t.Supported, &t.ThankCount,
			&t.Thanked, &t.CommentCount, &t.PhotoCount, &t.HandlerID, &t.MergedInto, &t.MergedCount,
			&t.ReopenedCount, &t.DueAt, &t.Colour, &t.HotlineClass, &t.UrgedCount,
			&t.SupervisedAt, &t.CreatedAt, &t.UpdatedAt, &t.AcceptedAt, &t.ResolvedAt,
			&t.RepliedAt, &t.ClosedAt, &t.Actions, &t.Similar)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return problem(w, 404)
	} else if err != nil {
		s.log.Error().Err(err).Msg("query")
		return problem(w, 500)
	}
	w.Header().Set("ETag", `"`+etag+`"`)
	return reply(w, 200, &t)
}

func (s *server) listTickets(w http.ResponseWriter, r *http.Request, c *claims) int {
	limit := 20
	q := r.URL.Query()
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return problem(w, 400)
		}
		limit = n
	}
	sql, args := s.SQL["listTickets"], []interface{}{c.Street, limit}
	if text := q.Get("after"); text != "" {
		cursor, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return problem(w, 400)
		}
		sql, args = s.SQL["listTicketsAfter"], []interface{}{string(cursor), limit}
	}
	p := page{Items: make([]brief, 0, limit)}
	err := s.within(r.Context(), c, func(tx pgx.Tx) error {
		rows, err := tx.Query(r.Context(), sql, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		var by string // what the cursor is made of: time and id
		for rows.Next() {
			var b brief
			err := rows.Scan(&b.ID, &b.Number, &b.Kind, &b.Category, &b.Urgency,
				&b.Status, &b.Title, &b.GridID, &b.Public, &b.OnBehalf, &b.Mine,
				&b.SupportCount, &b.CommentCount, &b.PhotoCount, &b.ThankCount,
				&b.MergedCount, &b.Stars, &b.DueAt, &b.Colour, &b.CreatedAt, &b.UpdatedAt, &by)
			if err != nil {
				return err
			}
			if len(p.Items) == limit {
				last := p.Items[limit-1]
				next := base64.RawURLEncoding.EncodeToString([]byte(
					last.CreatedAt.Format(time.RFC3339Nano) + ":" + last.ID))
				p.Next = &next
				continue
			}
			p.Items = append(p.Items, b)
		}
		return rows.Err()
	})
	if err != nil {
		s.log.Error().Err(err).Msg("query")
		return problem(w, 500)
	}
	return reply(w, 200, &p)
}

func (s *server) handle(op string, fn func(http.ResponseWriter, *http.Request, *claims) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		c, err := s.authenticate(r)
		if err != nil {
			problem(w, 401)
			return
		}
		status := 405
		if r.Method == http.MethodGet {
			status = fn(w, r, c)
		} else {
			problem(w, status)
		}
		s.log.Info().Str("method", r.Method).Str("op", op).Int("status", status).
			Str("actor", c.Subject).Dur("ms", time.Since(begin)).Msg("request")
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	s := &server{log: zerolog.New(os.Stdout).With().Timestamp().Logger()}
	text, err := os.ReadFile(os.Args[1])
	must(err)
	must(json.Unmarshal(text, &s.settings))
	pem, err := os.ReadFile(s.PublicKey)
	must(err)
	s.key, err = jwt.ParseECPublicKeyFromPEM(pem)
	must(err)
	s.pool, err = pgxpool.Connect(context.Background(), s.DSN)
	must(err)
	http.HandleFunc("/v1/tickets", s.handle("listTickets", s.listTickets))
	http.HandleFunc("/v1/tickets/", s.handle("getTicket", s.getTicket))
	must(http.ListenAndServe("127.0.0.1:"+strconv.Itoa(s.Port), nil))
}

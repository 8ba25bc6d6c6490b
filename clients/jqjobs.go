// Package jqjobs is a producer for jqjobs: it puts jobs, and answers for jobs that wait, into the inbox of a queue.
//
// One file, nothing but Go 1.19 or newer. It knows LPUSH, ZADD and SADD, and AUTH and SELECT at the start, all of which
// answer with one line. A Client may be used by many goroutines: one call at a time goes over its connection, which is
// opened at the first call, and anew after it broke.
//
//	jq, err := jqjobs.New("redis://127.0.0.1:6379/0")
//	id, err := jq.Enqueue(ctx, "emails", jqjobs.Envelope{Job: "send_welcome", Kwargs: map[string]any{"user_id": 42}})
package jqjobs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Envelope is what a job is; docs/protocol.md, "The envelope", says more of each key. What is nil or empty is the job's
// own; P makes a pointer of a number.
type Envelope struct {
	Job         string         `json:"job"`
	ID          string         `json:"id,omitempty"` // made here when it is empty
	Args        []any          `json:"args,omitempty"`
	Kwargs      map[string]any `json:"kwargs,omitempty"`
	Priority    *int64         `json:"priority,omitempty"` // -4096 to 4095; higher runs first
	DelayMs     *int64         `json:"delay_ms,omitempty"` // not before so long after it was ingested
	DueMs       *int64         `json:"due_ms,omitempty"`   // not before this moment, in ms since 1970
	Key         string         `json:"key,omitempty"`      // while a job has it, another envelope with it adds none
	Coalesce    string         `json:"coalesce,omitempty"` // "queued", "unfinished" or "stored": how long it has its key
	Replace     *bool          `json:"replace,omitempty"`  // a job that has the key and has not started becomes this one
	MaxAttempts *int64         `json:"max_attempts,omitempty"`
	MaxCrashes  *int64         `json:"max_crashes,omitempty"`
	TimeoutMs   *int64         `json:"timeout_ms,omitempty"` // the time limit of one attempt
	ExpiresMs   *int64         `json:"expires_ms,omitempty"` // not started so long after it was ingested: dead
	KeepMs      *int64         `json:"keep_ms,omitempty"`    // how long record and result of a success stay
	Tags        []string       `json:"tags,omitempty"`       // up to 16 words to find it by
	Group       string         `json:"group,omitempty"`      // takes turns with the other groups of the queue
	Batch       string         `json:"batch,omitempty"`      // "queue/id" of the batch that waits for the job
	Then        []string       `json:"then,omitempty"`       // begins when it has succeeded: up to 16 envelopes as JSON
	Meta        map[string]any `json:"meta,omitempty"`       // passed through
}

// BatchOptions is what comes of a batch; docs/protocol.md, "Batches", says more of each.
type BatchOptions struct {
	Then   []string `json:"then,omitempty"`    // begins when all members have succeeded: envelopes as JSON
	Always []string `json:"always,omitempty"`  // begins when all members have ended
	OnDead string   `json:"on_dead,omitempty"` // "wait", "cancel" or "go": when a member is dead
	KeepMs *int64   `json:"keep_ms,omitempty"` // how long the batch is known after its end
}

type answer struct {
	Resolve string  `json:"resolve"`
	Token   string  `json:"token"`
	Result  any     `json:"result,omitempty"`
	Error   *string `json:"error,omitempty"`
}

// P returns a pointer to a value: Envelope{Priority: P[int64](5)}.
func P[T any](value T) *T { return &value }

// InvalidEnvelope says that an envelope is wrong, and was not sent. Code is the one that the queue would refuse it with.
type InvalidEnvelope struct{ Code, Text string }

func (e *InvalidEnvelope) Error() string { return e.Code + ": " + e.Text }

// NotStored says that Redis could not be reached, refused, or did not answer. Envelopes are what is not known to be
// stored, with ids. Unanswered: nobody knows; sent again, none becomes two jobs as long as the first has a record.
type NotStored struct {
	Unanswered bool
	Envelopes  []Envelope
	cause      error
}

func (e *NotStored) Error() string {
	if e.Unanswered {
		return "jqjobs: Redis did not answer: " + e.cause.Error()
	}
	return "jqjobs: " + e.cause.Error()
}

func (e *NotStored) Unwrap() error { return e.cause }

// Client has one connection. Its fields may be set before the first call.
type Client struct {
	Timeout time.Duration // how long connecting, and each answer, may take; a context may allow less
	// Meta returns what each job's meta gets beside its own, such as the trace context: called once for each envelope.
	Meta func(ctx context.Context) map[string]any

	address *address
	lock    sync.Mutex
	conn    *connection
}

// New makes a client of "redis://user:password@host:port/db", "rediss://" or "unix:///path?db=0"; with ?prefix= and
// ?ssl_ca_certs= as in JQ_REDIS_URL, which is taken for "". It does not connect yet.
func New(redisURL string) (*Client, error) {
	for _, usual := range []string{os.Getenv("JQ_REDIS_URL"), "redis://127.0.0.1:6379/0"} {
		if redisURL == "" {
			redisURL = usual
		}
	}
	found, err := parse(redisURL)
	if err != nil {
		return nil, err
	}
	return &Client{Timeout: 5 * time.Second, address: found}, nil
}

// Enqueue stores one job and wakes a worker. It returns the job's id, or *InvalidEnvelope or *NotStored as an error.
func (c *Client) Enqueue(ctx context.Context, queue string, envelope Envelope) (string, error) {
	ids, err := c.EnqueueMany(ctx, queue, []Envelope{envelope})
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// EnqueueMany stores jobs in as few round trips as they fit into, all checked before the first is sent. It returns their
// ids.
func (c *Client) EnqueueMany(ctx context.Context, queue string, envelopes []Envelope) ([]string, error) {
	whole, texts, ids := make([]Envelope, len(envelopes)), make([]string, len(envelopes)), make([]string, len(envelopes))
	for i, envelope := range envelopes {
		text, err := c.complete(ctx, &envelope)
		if err != nil {
			return nil, err
		}
		whole[i], texts[i], ids[i] = envelope, text, envelope.ID
	}
	for from, to := 0, 0; from < len(texts); from = to {
		for size := 0; to < len(texts) && size < mostBytes; to++ {
			size += len(texts[to])
		}
		if err := c.push(ctx, queue, texts[from:to]); err != nil {
			var failed *NotStored
			if errors.As(err, &failed) {
				failed.Envelopes = whole[from:]
			}
			return nil, err
		}
	}
	return ids, nil
}

// Resolve answers for a job that waits: it has succeeded, with this result. token is what the job gave away.
func (c *Client) Resolve(ctx context.Context, queue, id, token string, result any) error {
	return c.answer(ctx, queue, answer{Resolve: id, Token: token, Result: result})
}

// Fail answers for a job that waits: it has failed, and is tried again like after any failure.
func (c *Client) Fail(ctx context.Context, queue, id, token, why string) error {
	return c.answer(ctx, queue, answer{Resolve: id, Token: token, Error: &why})
}

// OpenBatch opens a batch, in the queue that its name begins with. Jobs with Batch may be enqueued before and after that.
// batch is "queue/id", the id of 64 bytes at most.
func (c *Client) OpenBatch(ctx context.Context, batch string, options BatchOptions) error {
	for _, steps := range [][]string{options.Then, options.Always} {
		if err := checkSteps(steps); err != nil {
			return err
		}
	}
	switch options.OnDead {
	case "", "wait", "cancel", "go":
	default:
		return &InvalidEnvelope{"bad_field", "on_dead is wait, cancel or go"}
	}
	if options.KeepMs != nil && (*options.KeepMs < 1 || *options.KeepMs > tenYearsMs) {
		return &InvalidEnvelope{"bad_field", "there is no keep_ms " + strconv.FormatInt(*options.KeepMs, 10)}
	}
	return c.say(ctx, batch, struct {
		Open string `json:"open"`
		BatchOptions
	}{batch, options})
}

// CloseBatch closes a batch: it is over when all its members have ended. count is how many jobs were enqueued with it.
func (c *Client) CloseBatch(ctx context.Context, batch string, count int64) error {
	if count < 0 || count > 1<<53-1 {
		return &InvalidEnvelope{"bad_field", "there is no count " + strconv.FormatInt(count, 10)}
	}
	return c.say(ctx, batch, struct {
		Close string `json:"close"`
		Count int64  `json:"count"`
	}{batch, count})
}

// say tells the home of a batch something about it.
func (c *Client) say(ctx context.Context, batch string, what any) error {
	home, err := homeOf(batch)
	if err != nil {
		return err
	}
	text, err := encode(what)
	if err != nil {
		return err
	}
	return c.push(ctx, home, []string{text})
}

// Close closes the connection; the next call opens one.
func (c *Client) Close() {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.drop()
}

func (c *Client) answer(ctx context.Context, queue string, given answer) error {
	if err := checkName("id", given.Resolve); err != nil {
		return err
	}
	text, err := encode(given)
	if err != nil {
		return err
	}
	return c.push(ctx, queue, []string{text})
}

// complete gives the envelope an id, and the meta of all jobs, and returns it as JSON.
func (c *Client) complete(ctx context.Context, envelope *Envelope) (string, error) {
	if err := check(envelope); err != nil {
		return "", err
	}
	if envelope.ID == "" {
		envelope.ID = newID()
	}
	if c.Meta != nil {
		meta := map[string]any{}
		for _, some := range []map[string]any{c.Meta(ctx), envelope.Meta} {
			for key, value := range some {
				meta[key] = value
			}
		}
		envelope.Meta = meta
	}
	return encode(envelope)
}

func (c *Client) push(ctx context.Context, queue string, texts []string) error {
	if err := checkName("queue", queue); err != nil {
		return err
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	if err := c.connect(ctx); err != nil {
		return &NotStored{cause: err}
	}
	key := c.address.prefix + ":{" + queue + "}"
	push := append([]string{"LPUSH", key + ":inbox"}, texts...)
	wake := []string{"ZADD", key + ":wake", "0", "1"}
	replies, err := c.conn.call(c.deadline(ctx), push, wake, []string{"SADD", c.address.prefix + ":{~}:queues", queue})
	if err != nil {
		c.drop()
		return &NotStored{Unanswered: true, cause: err}
	}
	// The others are only hints: without them the jobs are found within a second, and a new queue within minutes.
	if err := refusal(replies[0]); err != nil {
		return &NotStored{cause: err}
	}
	return nil
}

func (c *Client) connect(ctx context.Context) error {
	if c.conn != nil && c.conn.isOpen() {
		return nil
	}
	c.drop()
	opened, err := c.address.dial(ctx, c.Timeout)
	if err != nil {
		return fmt.Errorf("Redis cannot be reached: %w", err)
	}
	c.conn = &connection{Conn: opened, reader: bufio.NewReader(opened)}
	replies, err := c.conn.call(c.deadline(ctx), c.address.greeting()...)
	for i := 0; err == nil && i < len(replies); i++ {
		err = refusal(replies[i])
	}
	if err != nil {
		c.drop()
	}
	return err
}

func (c *Client) drop() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *Client) deadline(ctx context.Context) time.Time {
	latest := time.Now().Add(c.Timeout)
	if deadline, has := ctx.Deadline(); has && deadline.Before(latest) {
		return deadline
	}
	return latest
}

type connection struct {
	net.Conn
	reader *bufio.Reader
}

// isOpen says whether nothing has come that nobody asked for, such as the end.
func (c *connection) isOpen() bool {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.reader.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// call sends commands and returns their replies, "-ERR …" among them.
func (c *connection) call(deadline time.Time, commands ...[]string) ([]string, error) {
	c.SetDeadline(deadline)
	var packed bytes.Buffer
	for _, words := range commands {
		fmt.Fprintf(&packed, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(&packed, "$%d\r\n%s\r\n", len(word), word)
		}
	}
	if _, err := c.Write(packed.Bytes()); err != nil {
		return nil, err
	}
	replies := make([]string, len(commands))
	for i := range replies {
		line, err := c.reader.ReadString('\n')
		if err != nil {
			return nil, err
		}
		replies[i] = strings.TrimSuffix(line, "\r\n")
	}
	return replies, nil
}

func refusal(reply string) error {
	if strings.HasPrefix(reply, "-") {
		return errors.New("Redis refused: " + reply[1:])
	}
	return nil
}

// address is where a Redis is, and who we are there.
type address struct {
	network, place, host, db, prefix, user, password, authority string
	isTLS                                                       bool
}

var (
	urlForm    = regexp.MustCompile(`^(rediss?|valkeys?|unix)://(?:([^@/?#]*)@)?([^@?#]*)(?:\?([^@#]*))?$`)
	hostForm   = regexp.MustCompile(`^(\[[^\]]*\]|[^:/]*)(?::(\d+))?(?:/(\d*))?$`)
	prefixForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.:-]{0,30}[A-Za-z0-9_.-]?$`)
	// The URL is not repeated: it may hold a password.
	errURL = errors.New("jqjobs: the Redis URL is none; percent-encode what its password has beside letters and digits")
)

func parse(redisURL string) (*address, error) {
	parts := urlForm.FindStringSubmatch(redisURL)
	if parts == nil {
		return nil, errURL
	}
	login, rest := parts[2], parts[3]
	options, err := url.ParseQuery(parts[4])
	if err != nil {
		return nil, errURL
	}
	found := &address{prefix: or(os.Getenv("JQ_PREFIX"), "jq"), db: "0"}
	if parts[1] == "unix" {
		found.network = "unix"
		found.place, err = url.PathUnescape(rest)
	} else {
		err = found.readHost(rest, parts[1] == "rediss" || parts[1] == "valkeys")
	}
	if err != nil || found.readOptions(options) != nil || found.readLogin(login) != nil {
		return nil, errURL
	}
	return found, nil
}

func (a *address) readHost(rest string, isTLS bool) error {
	parts := hostForm.FindStringSubmatch(rest)
	if parts == nil {
		return errURL
	}
	a.network, a.isTLS = "tcp", isTLS
	a.host, a.db = or(strings.Trim(parts[1], "[]"), "127.0.0.1"), or(parts[3], "0")
	a.place = net.JoinHostPort(a.host, or(parts[2], "6379"))
	return nil
}

func (a *address) readOptions(options url.Values) error {
	for name, values := range options {
		switch name {
		case "db":
			a.db = values[0]
		case "prefix":
			a.prefix = values[0]
		case "ssl_ca_certs":
			a.authority = values[0]
		default:
			return errURL
		}
	}
	if !prefixForm.MatchString(a.prefix) {
		return errURL
	}
	return nil
}

func (a *address) readLogin(login string) (err error) {
	user, password, _ := strings.Cut(login, ":")
	if a.user, err = url.PathUnescape(user); err == nil {
		a.password, err = url.PathUnescape(password)
	}
	return err
}

// greeting is what is said first on a connection.
func (a *address) greeting() (commands [][]string) {
	if a.password != "" && a.user != "" {
		commands = append(commands, []string{"AUTH", a.user, a.password})
	} else if a.password != "" {
		commands = append(commands, []string{"AUTH", a.password})
	}
	if a.db != "0" {
		commands = append(commands, []string{"SELECT", a.db})
	}
	return commands
}

func (a *address) dial(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: timeout}
	if !a.isTLS {
		return dialer.DialContext(ctx, a.network, a.place)
	}
	config := &tls.Config{ServerName: a.host}
	if a.authority != "" {
		known, err := os.ReadFile(a.authority)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(known)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, a.network, a.place)
}

const (
	mostBytes  = 1_048_576 // of an envelope, and about of one LPUSH
	tenYearsMs = 316_224_000_000
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
var wordForm = regexp.MustCompile(`^[^\x00-\x20\x7f]+$`)

// check returns what the queue would refuse, so that a mistake is seen where it is made.
func check(e *Envelope) error {
	for _, number := range []struct {
		key         string
		value       *int64
		least, most int64
	}{
		{"priority", e.Priority, -4096, 4095}, {"delay_ms", e.DelayMs, -tenYearsMs, tenYearsMs},
		{"due_ms", e.DueMs, 0, 1<<53 - 1}, {"max_attempts", e.MaxAttempts, 1, 1_000_000},
		{"max_crashes", e.MaxCrashes, 1, 1_000_000}, {"timeout_ms", e.TimeoutMs, 1, tenYearsMs},
		{"expires_ms", e.ExpiresMs, 0, tenYearsMs}, {"keep_ms", e.KeepMs, 1, tenYearsMs},
	} {
		if number.value != nil && (*number.value < number.least || *number.value > number.most) {
			return &InvalidEnvelope{"bad_field", "there is no " + number.key + " " + strconv.FormatInt(*number.value, 10)}
		}
	}
	if e.Job == "" {
		return &InvalidEnvelope{"no_job", "the job has no name"}
	}
	if err := checkName("job", e.Job); err != nil {
		return err
	}
	if e.ID != "" && checkName("id", e.ID) != nil {
		return checkName("id", e.ID)
	}
	if err := checkTags(e.Tags); err != nil {
		return err
	}
	if e.Group != "" && (!wordForm.MatchString(e.Group) || len(e.Group) > 128) {
		return &InvalidEnvelope{"bad_field", "there is no group " + strconv.Quote(e.Group)}
	}
	if err := checkFlow(e); err != nil {
		return err
	}
	return checkKey(e)
}

func checkFlow(e *Envelope) error {
	if e.Batch != "" {
		if _, err := homeOf(strings.TrimPrefix(e.Batch, "+")); err != nil {
			return err
		}
	}
	if e.Batch == "" && len(e.Then) == 0 {
		return nil
	}
	if e.Replace != nil && *e.Replace {
		return &InvalidEnvelope{"bad_field", "replace does not go with batch and then"}
	}
	if len(e.ID) > 64 {
		return &InvalidEnvelope{"bad_name", "with batch or then id takes 64 bytes"}
	}
	return checkSteps(e.Then)
}

func checkSteps(steps []string) error {
	if len(steps) > 16 || len(strings.Join(steps, "")) > 65_536 {
		return &InvalidEnvelope{"bad_field", "there are at most 16 steps, of 64 KiB together"}
	}
	return nil
}

// homeOf returns the queue in which a batch is kept.
func homeOf(batch string) (string, error) {
	queue, id, _ := strings.Cut(batch, "/")
	if !nameForm.MatchString(queue) || !nameForm.MatchString(id) || len(id) > 64 {
		return "", &InvalidEnvelope{"bad_name", strconv.Quote(batch) + " is no batch"}
	}
	return queue, nil
}

func checkTags(tags []string) error {
	for _, tag := range tags {
		if !wordForm.MatchString(tag) || len(tag) > 64 {
			return &InvalidEnvelope{"bad_field", "there is no tag " + strconv.Quote(tag)}
		}
	}
	if len(tags) > 16 {
		return &InvalidEnvelope{"bad_field", "there are more than 16 tags"}
	}
	return nil
}

func checkKey(e *Envelope) error {
	switch e.Coalesce {
	case "", "queued", "unfinished", "stored":
	default:
		return &InvalidEnvelope{"bad_field", "coalesce is queued, unfinished or stored"}
	}
	if len(e.Key) > 256 {
		return &InvalidEnvelope{"bad_field", "key takes 1 to 256 bytes"}
	}
	if e.Key == "" && (e.Coalesce != "" || e.Replace != nil && *e.Replace) {
		return &InvalidEnvelope{"bad_field", "coalesce and replace go with a key"}
	}
	return nil
}

func checkName(what, name string) error {
	if nameForm.MatchString(name) {
		return nil
	}
	return &InvalidEnvelope{"bad_name", strconv.Quote(name) + " is no " + what}
}

func encode(envelope any) (string, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(envelope); err != nil {
		return "", err
	}
	if text.Len() > mostBytes {
		return "", &InvalidEnvelope{"too_large", "more than 1 MiB"}
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

func newID() string {
	random := make([]byte, 10)
	if _, err := rand.Read(random); err != nil {
		panic(err) // the system has no randomness: nothing would be safe
	}
	return hex.EncodeToString(random)
}

func or(text, usual string) string {
	if text == "" {
		return usual
	}
	return text
}

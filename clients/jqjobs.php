<?php

declare(strict_types=1);

namespace Jqjobs;

/**
 * A producer for jqjobs: puts jobs, and answers for jobs that wait, into the inbox of a queue.
 *
 * One file, nothing but PHP 8.1 or newer. It knows LPUSH, ZADD and SADD, and AUTH and SELECT at the start, all of
 * which answer with one line. The connection is opened at the first call, and anew after it broke.
 *
 *     $jq = new Client('redis://127.0.0.1:6379/0');
 *     $id = $jq->enqueue('emails', ['job' => 'send_welcome', 'kwargs' => ['user_id' => 42]]);
 *
 * What an envelope may say; docs/protocol.md, "The envelope", says more of each key. One that is left out is the job's
 * own. Inside `args`, `kwargs` and `meta` an empty object is `(object) []`: JSON of `[]` is a list.
 *
 * @phpstan-type Envelope array{job: string, id?: string, args?: list<mixed>, kwargs?: array<string, mixed>|\stdClass,
 *   priority?: int, delay_ms?: int, due_ms?: int, key?: string, coalesce?: 'queued'|'unfinished'|'stored',
 *   replace?: bool, max_attempts?: int, max_crashes?: int, timeout_ms?: int, expires_ms?: int, keep_ms?: int,
 *   tags?: list<string>, group?: string, batch?: string, then?: list<string>, meta?: array<string, mixed>|\stdClass}
 *
 * `batch` is the "queue/id" of a batch that waits for the job; `then` has envelopes as JSON, up to 16, which begin when
 * the job has succeeded.
 *
 * @phpstan-type BatchOptions array{then?: list<string>, always?: list<string>, on_dead?: 'wait'|'cancel'|'go',
 *   keep_ms?: int}
 */
final class Client
{
    private readonly Address $address;
    private ?Connection $connection = null;

    /**
     * @param ?string $url `redis://user:password@host:port/db`, `rediss://` or `unix:///path?db=0`; with `?prefix=` and
     *   `?ssl_ca_certs=` as in JQ_REDIS_URL, which is the default
     * @param float $timeout seconds that connecting, and each answer, may take
     * @param ?\Closure(): array<string, mixed> $meta what each job's `meta` gets beside its own, such as the trace
     *   context: called once for each envelope
     */
    public function __construct(
        #[\SensitiveParameter] ?string $url = null,
        private readonly float $timeout = 5.0,
        private readonly ?\Closure $meta = null,
    ) {
        $this->address = Address::parse($url ?? (getenv('JQ_REDIS_URL') ?: 'redis://127.0.0.1:6379/0'));
    }

    /**
     * Store one job and wake a worker. Returns the job's id.
     *
     * @param Envelope $envelope
     * @throws InvalidEnvelope|NotStored|NoAnswer
     */
    public function enqueue(string $queue, array $envelope): string
    {
        return $this->enqueueMany($queue, [$envelope])[0];
    }

    /**
     * Store jobs in as few round trips as they fit into, all checked before the first is sent. Returns their ids.
     *
     * @param list<Envelope> $envelopes
     * @return list<string>
     * @throws InvalidEnvelope|NotStored|NoAnswer
     */
    public function enqueueMany(string $queue, array $envelopes): array
    {
        $whole = array_map($this->complete(...), $envelopes);
        $sent = 0;
        foreach (self::chunks(array_map(Check::encode(...), $whole)) as $texts) {
            try {
                $this->push($queue, $texts);
            } catch (NotStored $error) {
                $error->envelopes = array_slice($whole, $sent);
                throw $error;
            }
            $sent += count($texts);
        }
        return array_column($whole, 'id');
    }

    /** Answer for a job that waits: it has succeeded, with this result. `$token` is what the job gave away. */
    public function resolve(string $queue, string $id, string $token, mixed $result = null): void
    {
        $answer = ['resolve' => Check::name('id', $id), 'token' => $token, 'result' => $result];
        $this->push($queue, [Check::encode($answer)]);
    }

    /** Answer for a job that waits: it has failed, and is tried again like after any failure. */
    public function fail(string $queue, string $id, string $token, string $error): void
    {
        $answer = ['resolve' => Check::name('id', $id), 'token' => $token, 'error' => $error];
        $this->push($queue, [Check::encode($answer)]);
    }

    /**
     * Open a batch, in the queue that its name begins with. Jobs with `batch` may be enqueued before and after that.
     *
     * @param string $batch "queue/id", the id of 64 bytes at most
     * @param BatchOptions $options
     */
    public function openBatch(string $batch, array $options = []): void
    {
        Check::fields($options, ['then', 'always', 'on_dead', 'keep_ms']);
        $this->push(Check::home($batch), [Check::encode(['open' => $batch, ...$options])]);
    }

    /** Close a batch: it is over when all its members have ended. `$count`: how many jobs were enqueued with it. */
    public function closeBatch(string $batch, int $count): void
    {
        Check::fields(['count' => $count], ['count']);
        $this->push(Check::home($batch), [Check::encode(['close' => $batch, 'count' => $count])]);
    }

    public function close(): void
    {
        $this->connection = null;
    }

    private function complete(array $envelope): array
    {
        Check::envelope($envelope);
        $envelope['id'] ??= bin2hex(random_bytes(10));
        $meta = [...($this->meta ? ($this->meta)() : []), ...(array) ($envelope['meta'] ?? [])];
        // An empty map would be written as a list, and what is empty need not be said.
        return array_filter(['meta' => $meta] + $envelope, fn (mixed $value) => (array) $value !== []);
    }

    /** @param list<string> $texts */
    private static function chunks(array $texts): \Generator
    {
        for ($from = 0; $from < count($texts); $from = $to) {
            $bytes = 0;
            for ($to = $from; $to < count($texts) && $bytes < Check::MOST_BYTES; $to++) {
                $bytes += strlen($texts[$to]);
            }
            yield array_slice($texts, $from, $to - $from);
        }
    }

    /** @param list<string> $texts */
    private function push(string $queue, array $texts): void
    {
        $key = $this->address->prefix . ':{' . Check::name('queue', $queue) . '}';
        if (!$this->connection?->isOpen()) {
            $this->connection = new Connection($this->address, $this->timeout);
        }
        try {
            [$stored] = $this->connection->call(
                ['LPUSH', "$key:inbox", ...$texts],
                ['ZADD', "$key:wake", '0', '1'],
                ['SADD', $this->address->prefix . ':{~}:queues', $queue],
            );
        } catch (NoAnswer $error) {
            $this->close();
            throw $error;
        }
        // The others are only hints: without them the jobs are found within a second, and a new queue within minutes.
        if ($stored[0] === '-') {
            throw new NotStored('Redis refused: ' . substr($stored, 1));
        }
    }
}

/** The envelope is wrong, and was not sent. `$reason`: the code that the queue would refuse it with. */
final class InvalidEnvelope extends \InvalidArgumentException
{
    public function __construct(public readonly string $reason, string $text)
    {
        parent::__construct("$reason: $text");
    }
}

/** Redis could not be reached, or refused. `$envelopes`: what was not stored, with ids. */
class NotStored extends \RuntimeException
{
    /** @var list<array> */
    public array $envelopes = [];
}

/**
 * No answer came, so nobody knows. `$envelopes`: what may be missing, with ids: sent again, none becomes two jobs as long
 * as the first has a record.
 */
final class NoAnswer extends NotStored
{
}

/** @internal One socket. */
final class Connection
{
    /** @var resource */
    private $socket;

    public function __construct(Address $address, private readonly float $timeout)
    {
        $context = stream_context_create(['ssl' => array_filter(['cafile' => $address->ca])]);
        // The @: what is wrong is in $why, or was a warning of TLS.
        $socket = @stream_socket_client($address->place, $number, $why, $timeout, STREAM_CLIENT_CONNECT, $context);
        if ($socket === false) {
            throw new NotStored('Redis cannot be reached: ' . ($why ?: error_get_last()['message'] ?? 'TLS failed'));
        }
        $this->socket = $socket;
        stream_set_timeout($socket, (int) $timeout, (int) (fmod($timeout, 1) * 1e6));
        foreach ($this->call(...$address->greeting()) as $reply) {
            if ($reply[0] === '-') {
                throw new NotStored('Redis refused: ' . substr($reply, 1));
            }
        }
    }

    /** Whether nothing has come that nobody asked for, such as the end. */
    public function isOpen(): bool
    {
        [$read, $none] = [[$this->socket], null];
        return stream_select($read, $none, $none, 0) === 0;
    }

    /**
     * Send commands and return their replies, "-ERR …" among them.
     *
     * @param list<string> ...$commands
     * @return list<string>
     */
    public function call(array ...$commands): array
    {
        for ($left = implode('', array_map(self::pack(...), $commands)); $left !== ''; $left = substr($left, $sent)) {
            $sent = @fwrite($this->socket, $left);
            if (!$sent) {
                throw new NoAnswer('Redis did not answer: the connection was closed');
            }
        }
        return array_map(fn () => $this->line(), $commands);
    }

    private function line(): string
    {
        $line = fgets($this->socket);
        if ($line !== false && str_ends_with($line, "\r\n")) {
            return substr($line, 0, -2);
        }
        $isLate = stream_get_meta_data($this->socket)['timed_out'];
        throw new NoAnswer('Redis did not answer: ' . ($isLate ? "not within $this->timeout s" : 'the connection was closed'));
    }

    /** A command as Redis reads it. */
    private static function pack(array $words): string
    {
        $packed = array_map(fn (string $word) => '$' . strlen($word) . "\r\n$word\r\n", $words);
        return '*' . count($words) . "\r\n" . implode('', $packed);
    }
}

/** @internal Where a Redis is, and who we are there. */
final class Address
{
    private const PREFIX = '/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,30}[A-Za-z0-9_.-]?$/D';

    private function __construct(
        public readonly string $place,
        public readonly string $db,
        public readonly string $prefix,
        public readonly ?string $ca,
        private readonly string $user,
        private readonly string $password,
    ) {
    }

    public static function parse(#[\SensitiveParameter] string $url): self
    {
        $form = '~^(rediss?|valkeys?|unix)://(?:([^@/?#]*)@)?([^@?#]*)(?:\?([^@#]*))?$~D';
        preg_match($form, $url, $parts) ?: self::fail();
        [, $scheme, $login, $rest, $query] = $parts + ['', '', '', '', ''];
        parse_str($query, $options);
        $prefix = $options['prefix'] ?? (getenv('JQ_PREFIX') ?: 'jq');
        if (array_diff_key($options, ['db' => 0, 'prefix' => 0, 'ssl_ca_certs' => 0]) || !preg_match(self::PREFIX, $prefix)) {
            self::fail();
        }
        [$place, $db] = $scheme === 'unix' ? ['unix://' . rawurldecode($rest), ''] : self::host($scheme, $rest);
        [$user, $password] = array_map(rawurldecode(...), explode(':', $login, 2) + ['', '']);
        return new self($place, $options['db'] ?? ($db ?: '0'), $prefix, $options['ssl_ca_certs'] ?? null, $user, $password);
    }

    /** What is said first on a connection. @return list<list<string>> */
    public function greeting(): array
    {
        $auth = $this->user === '' ? ['AUTH', $this->password] : ['AUTH', $this->user, $this->password];
        return [...($this->password === '' ? [] : [$auth]), ...($this->db === '0' ? [] : [['SELECT', $this->db]])];
    }

    /** @return array{string, string} */
    private static function host(string $scheme, string $rest): array
    {
        preg_match('~^(\[[^\]]*\]|[^:/]*)(?::(\d+))?(?:/(\d*))?$~D', $rest, $parts) ?: self::fail();
        [, $host, $port, $db] = $parts + ['', '', '', ''];
        $transport = in_array($scheme, ['rediss', 'valkeys'], true) ? 'tls' : 'tcp';
        return ["$transport://" . ($host ?: '127.0.0.1') . ':' . ($port ?: '6379'), $db];
    }

    /** The URL is not repeated: it may hold a password. */
    private static function fail(): never
    {
        throw new \InvalidArgumentException(
            'the Redis URL is none; percent-encode what its password has beside letters and digits',
        );
    }
}

/** @internal What the queue would refuse is refused here, so that a mistake is seen where it is made. */
final class Check
{
    public const MOST_BYTES = 1_048_576; // of an envelope, and about of one LPUSH
    private const TEN_YEARS_MS = 316_224_000_000;
    private const NUMBERS = [
        'priority' => [-4096, 4095], 'delay_ms' => [-self::TEN_YEARS_MS, self::TEN_YEARS_MS],
        'due_ms' => [0, 9_007_199_254_740_991], 'max_attempts' => [1, 1_000_000], 'max_crashes' => [1, 1_000_000],
        'timeout_ms' => [1, self::TEN_YEARS_MS], 'expires_ms' => [0, self::TEN_YEARS_MS],
        'keep_ms' => [1, self::TEN_YEARS_MS],
    ];

    private const OF_JOBS = ['job', 'id', 'args', 'kwargs', 'meta', 'key', 'coalesce', 'replace', 'group', 'tags', 'batch',
        'then'];

    /** @param list<string> $keys those that there are */
    public static function fields(array $given, array $keys): void
    {
        foreach ($given as $key => $value) {
            if (!in_array((string) $key, $keys, true) || !self::isFine((string) $key, $value)) {
                $shown = json_encode($value, JSON_PARTIAL_OUTPUT_ON_ERROR);
                throw new InvalidEnvelope('bad_field', "there is no $key $shown");
            }
        }
    }

    /** The queue in which a batch is kept. */
    public static function home(string $batch): string
    {
        $form = '~^([A-Za-z0-9][A-Za-z0-9_.-]{0,127})/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$~D';
        if (preg_match($form, $batch, $found) !== 1) {
            throw new InvalidEnvelope('bad_name', json_encode($batch, JSON_INVALID_UTF8_SUBSTITUTE) . ' is no batch');
        }
        return $found[1];
    }

    private static function flow(array $envelope): void
    {
        if (isset($envelope['batch'])) {
            self::home(preg_replace('/^\+/', '', $envelope['batch']));
        }
        if (!isset($envelope['batch']) && !isset($envelope['then'])) {
            return;
        }
        if (!empty($envelope['replace'])) {
            throw new InvalidEnvelope('bad_field', 'replace does not go with batch and then');
        }
        if (strlen($envelope['id'] ?? '') > 64) {
            throw new InvalidEnvelope('bad_name', 'with batch or then id takes 64 bytes');
        }
    }

    public static function envelope(array $envelope): void
    {
        self::fields($envelope, [...array_keys(self::NUMBERS), ...self::OF_JOBS]);
        if (!isset($envelope['job'])) {
            throw new InvalidEnvelope('no_job', 'the job has no name');
        }
        self::name('job', $envelope['job']);
        self::name('id', $envelope['id'] ?? 'made');
        self::flow($envelope);
        if (!isset($envelope['key']) && (isset($envelope['coalesce']) || !empty($envelope['replace']))) {
            throw new InvalidEnvelope('bad_field', 'coalesce and replace go with a key');
        }
    }

    public static function name(string $what, string $name): string
    {
        if (preg_match('/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/D', $name)) {
            return $name;
        }
        throw new InvalidEnvelope('bad_name', json_encode($name, JSON_INVALID_UTF8_SUBSTITUTE) . " is no $what");
    }

    public static function encode(array $envelope): string
    {
        $text = json_encode(
            $envelope,
            JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_PRESERVE_ZERO_FRACTION,
        );
        return strlen($text) <= self::MOST_BYTES ? $text : throw new InvalidEnvelope('too_large', 'more than 1 MiB');
    }

    private static function isFine(string $key, mixed $value): bool
    {
        if (isset(self::NUMBERS[$key])) {
            [$least, $most] = self::NUMBERS[$key];
            return is_int($value) && $value >= $least && $value <= $most;
        }
        return match ($key) {
            'job', 'id' => is_string($value),
            'args' => is_array($value) && array_is_list($value),
            'kwargs', 'meta' => $value instanceof \stdClass || (is_array($value) && ($value === [] || !array_is_list($value))),
            'key' => is_string($value) && $value !== '' && strlen($value) <= 256,
            'coalesce' => in_array($value, ['queued', 'unfinished', 'stored'], true),
            'replace' => is_bool($value),
            'group' => self::isWord($value, 128),
            'batch' => is_string($value),
            'then', 'always' => is_array($value) && array_is_list($value) && count($value) <= 16
                && $value === array_filter($value, 'is_string') && strlen(implode('', $value)) <= 65_536,
            'on_dead' => in_array($value, ['wait', 'cancel', 'go'], true),
            'count' => is_int($value) && $value >= 0,
            'tags' => is_array($value) && array_is_list($value) && count($value) <= 16
                && $value === array_filter($value, fn (mixed $tag): bool => self::isWord($tag, 64)),
            default => false,
        };
    }

    private static function isWord(mixed $word, int $most): bool
    {
        return is_string($word) && strlen($word) <= $most && preg_match('/^[^\x00-\x20\x7f]+$/D', $word) === 1;
    }
}

using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>Whether what the primary writes reaches the store.</summary>
internal static class PostgresArchive
{
    /// <summary>
    /// How long a file may wait while none is archived: a command that hangs, as with a store that does not answer, counts no failure yet. With the minute
    /// after which a file is archived at the latest, this is less than two.
    /// </summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(45);

    /// <summary>What the primary says; null while it does not archive.</summary>
    public static async Task<ArchiverState?> AskAsync(NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(
            """
            SELECT last_archived_time, last_failed_time, clock_timestamp(),
                   (SELECT min(modification) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready')
            FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off'
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        return await reader.ReadAsync(cancellationToken).ConfigureAwait(false)
            ? new(Time(0), Time(1), Time(2)!.Value, Time(3))
            : null;

        DateTimeOffset? Time(int column) => reader.IsDBNull(column) ? null : new DateTimeOffset(reader.GetDateTime(column));
    }

    /// <summary>From that to a finding, by the server's own clock. Pure.</summary>
    /// <param name="archiver">What the primary says, or null.</param>
    /// <param name="before">What was found before: the server knows its last failure, and not the first.</param>
    public static ArchiveHealth? Judge(ArchiverState? archiver, ArchiveHealth? before)
    {
        if (archiver is null)
            return null;
        var failed = archiver.Failed is { } last && last > (archiver.Archived ?? DateTimeOffset.MinValue);
        var late = archiver.Waiting is { } waiting && archiver.Now - waiting > _patience && archiver.Now - (archiver.Archived ?? waiting) > _patience;
        if (!failed && !late)
            return new(archiver.Archived);
        var since = before?.Failing is { } known && known > (archiver.Archived ?? DateTimeOffset.MinValue) ? known : archiver.Waiting ?? archiver.Failed;
        var problem = archiver.Archived is null
            ? "nothing was archived yet: the first backup of type Full prepares the store; until then the servers keep their log on their volumes"
            : $"the log is not archived, and fills the primary's volume: the store, its credentials or the passphrase '{PgBackRest.PassphraseKey}' are not as before; the container postgres of the primary logs what pgBackRest says";
        return new(archiver.Archived, since, problem);
    }
}

/// <summary>What the primary says of archiving.</summary>
/// <param name="Archived">When a file was archived last.</param>
/// <param name="Failed">When that failed last.</param>
/// <param name="Now">Its clock.</param>
/// <param name="Waiting">Since when the file has waited that waits the longest; null: none does.</param>
internal sealed record ArchiverState(DateTimeOffset? Archived, DateTimeOffset? Failed, DateTimeOffset Now, DateTimeOffset? Waiting);

namespace Dora.Engines.Neo4j.QueryApi;

/// <summary>
/// Statements one after the other on whichever member takes them, each seeing what the ones before did (bookmarks). Only for
/// statements that may be said twice.
/// </summary>
internal sealed class QuerySession(QueryClient client, IReadOnlyList<QueryEndpoint> members)
{
    private IReadOnlyList<string> _bookmarks = [];
    private int _first;

    /// <summary>Runs a statement on the first member that takes it.</summary>
    public async Task<QueryResult> RunAsync(string database, Query query, CancellationToken cancellationToken)
    {
        QueryException? refusal = null;
        for (var tries = 0; tries < members.Count; tries++)
        {
            var index = (_first + tries) % members.Count;
            try
            {
                var result = await client.RunAsync(members[index], database, query, _bookmarks, cancellationToken).ConfigureAwait(false);
                _first = index;
                if (result.Bookmarks.Count > 0)
                    _bookmarks = result.Bookmarks;
                return result;
            }
            catch (QueryException exception) when (exception.Kind is QueryErrorKind.NotLeader or QueryErrorKind.DatabaseNotFound or QueryErrorKind.Unavailable or QueryErrorKind.Transient)
            {
                // A member knows only databases that it holds a copy of. What one says tells more than that another one is away.
                refusal = refusal is null or { Kind: QueryErrorKind.Unavailable } ? exception : refusal;
            }
        }

        throw refusal ?? new QueryException(QueryErrorKind.Unavailable, "", "no member has an address");
    }
}
